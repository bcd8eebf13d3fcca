function (doc) {
    if (doc.exec !== undefined || doc.binding !== undefined || doc.parameters === undefined) { return; }
    if (typeof doc.namespace !== 'string') { return; }
    var entry = {
        namespace: doc.namespace,
        name: doc.name,
        version: doc.version,
        publish: doc.publish,
        annotations: doc.annotations,
        updated: doc.updated
    };
    var slash = doc.namespace.indexOf('/');
    emit([doc.namespace, doc.updated], entry);
    if (slash > 0) { emit([doc.namespace.substring(0, slash), doc.updated], entry); }
}
