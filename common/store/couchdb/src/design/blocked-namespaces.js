function (doc) {
    var limits = '/limits';
    var at = doc._id.length - limits.length;
    if (at > 0 && doc._id.substring(at) === limits) {
        if (doc.concurrentInvocations === 0 || doc.invocationsPerMinute === 0) {
            emit(doc._id.substring(0, at), 1);
        }
    } else if (doc.blocked && doc.namespaces) {
        doc.namespaces.forEach(function (entry) { emit(entry.name, 1); });
    }
}
