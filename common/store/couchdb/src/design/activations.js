function (doc) {
    if (doc.activationId === undefined) { return; }
    var ended = doc.end !== undefined && doc.end !== 0;
    emit([doc.namespace, doc.start], {
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
