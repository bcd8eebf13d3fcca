function (doc) {
    if (doc.trigger === undefined || typeof doc.namespace !== 'string') { return; }
    var slash = doc.namespace.indexOf('/');
    emit([doc.namespace, doc.updated], 1);
    if (slash > 0) { emit([doc.namespace.substring(0, slash), doc.updated], 1); }
}
