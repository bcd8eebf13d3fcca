function (doc) {
    if (doc.exec === undefined || typeof doc.namespace !== 'string') { return; }
    var entry = {
        namespace: doc.namespace,
        name: doc.name,
        version: doc.version,
        publish: doc.publish,
        annotations: doc.annotations,
        limits: doc.limits,
        exec: { binary: doc.exec && doc.exec.binary === true },
        updated: doc.updated
    };
    var slash = doc.namespace.indexOf('/');
    emit([doc.namespace, doc.updated], entry);
    if (slash > 0) { emit([doc.namespace.substring(0, slash), doc.updated], entry); }
}
