function (doc) {
    if (doc.activationId === undefined || !doc.logs || doc.logs.length === 0) { return; }
    var list = doc.annotations || [];
    for (var i = 0; i < list.length; i++) {
        if (list[i].key === 'kind' && list[i].value === 'sequence') { return; }
    }
    emit(doc.start, doc._id);
}
