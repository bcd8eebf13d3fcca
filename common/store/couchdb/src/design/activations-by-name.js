function (doc) {
    if (doc.activationId === undefined) { return; }
    var annotation = function (key) {
        var list = doc.annotations || [];
        for (var i = 0; i < list.length; i++) {
            if (list[i].key === key && typeof list[i].value === 'string') { return list[i].value; }
        }
        return '';
    };
    var binding = annotation('binding').split('/');
    var path = annotation('path').split('/');
    var name = doc.name;
    if (binding.length > 1) {
        name = binding[1] + '/' + doc.name;
    } else if (path.length === 3) {
        name = path[1] + '/' + doc.name;
    }
    var ended = doc.end !== undefined && doc.end !== 0;
    emit([doc.namespace + '/' + name, doc.start], {
        namespace: doc.namespace,
        name: doc.name,
        version: doc.version,
        publish: doc.publish,
        annotations: doc.annotations,
        activationId: doc.activationId,
        start: doc.start,
        end: ended ? doc.end : undefined,
        duration: ended ? doc.end - doc.start : undefined,
        statusCode: ended && doc.response ? doc.response.statusCode : undefined,
        cause: doc.cause
    });
}
