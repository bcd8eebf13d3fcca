//! A container factory that needs no container engine: namespaces, cgroups, seccomp.
