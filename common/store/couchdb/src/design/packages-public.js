function (doc) {
    if (doc.binding === undefined || typeof doc.namespace !== 'string') { return; }
    var bound = false;
    for (var member in doc.binding) { bound = true; }
    if (bound || doc.publish !== true) { return; }
    var entry = {
        namespace: doc.namespace,
        name: doc.name,
        version: doc.version,
        publish: doc.publish,
        annotations: doc.annotations,
        updated: doc.updated,
        binding: bound ? doc.binding : false
    };
    var slash = doc.namespace.indexOf('/');
    emit([doc.namespace, doc.updated], entry);
    if (slash > 0) { emit([doc.namespace.substring(0, slash), doc.updated], entry); }
}
