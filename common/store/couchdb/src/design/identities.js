function (doc) {
    if (!doc.namespaces || doc.blocked) { return; }
    doc.namespaces.forEach(function (entry) {
        var identity = {
            _id: entry.name + '/limits',
            namespace: entry.name,
            uuid: entry.uuid,
            key: entry.key
        };
        emit([entry.name], identity);
        emit([entry.uuid, entry.key], identity);
    });
}
