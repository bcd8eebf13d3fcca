//! The system calls a sandbox may use: `seccomp.txt` compiled into two filters the kernel runs.

use serde_json::{Value, json};

const LIST: &str = include_str!("seccomp.txt");

/// Two programs, because one can refuse with one error only; where both speak, a refusal wins.
#[derive(Debug)]
pub struct Filters {
    absent: seccompiler::BpfProgram,
    allowed: seccompiler::BpfProgram,
}

impl Filters {
    /// Puts the calling thread, and all it starts, under the filters for ever.
    pub(crate) fn install(&self) -> Result<(), String> {
        seccompiler::apply_filter(&self.absent).map_err(|error| error.to_string())?;
        seccompiler::apply_filter(&self.allowed).map_err(|error| error.to_string())
    }
}

/// Compiles the list for this machine's architecture.
pub(crate) fn compile() -> Result<Filters, String> {
    compile_for(std::env::consts::ARCH)
}

/// How many system calls are allowed here, some of them only with certain arguments.
pub fn allowed_count() -> Result<usize, String> {
    let mut names: Vec<_> = parse(LIST, std::env::consts::ARCH)?
        .into_iter()
        .filter(|line| matches!(line.verdict, Verdict::Allowed(_)))
        .map(|line| line.name)
        .collect();
    names.dedup();
    Ok(names.len())
}

fn compile_for(arch: &str) -> Result<Filters, String> {
    let lines = parse(LIST, arch)?;
    let mut allowed = Vec::new();
    let mut absent = Vec::new();
    for line in &lines {
        match &line.verdict {
            Verdict::Allowed(conditions) if conditions.is_empty() => {
                allowed.push(json!({"syscall": line.name}))
            }
            Verdict::Allowed(conditions) => allowed.push(json!({"syscall": line.name, "args": conditions})),
            Verdict::Absent => {
                absent.push(json!({"syscall": line.name}));
                allowed.push(json!({"syscall": line.name}));
            }
        }
    }
    Ok(Filters {
        absent: compile_one(arch, json!({"errno": libc::ENOSYS}), json!("allow"), absent)?,
        allowed: compile_one(arch, json!("allow"), json!({"errno": libc::EPERM}), allowed)?,
    })
}

fn compile_one(
    arch: &str,
    matched: Value,
    otherwise: Value,
    rules: Vec<Value>,
) -> Result<seccompiler::BpfProgram, String> {
    let filter = json!({"filter": {"match_action": matched, "mismatch_action": otherwise, "filter": rules}});
    let arch = seccompiler::TargetArch::try_from(arch).map_err(|error| error.to_string())?;
    let mut programs = seccompiler::compile_from_json(filter.to_string().as_bytes(), arch)
        .map_err(|error| error.to_string())?;
    programs.remove("filter").ok_or_else(|| "the filter compiler returned nothing".to_owned())
}

#[derive(Debug, PartialEq)]
struct Line<'a> {
    name: &'a str,
    verdict: Verdict,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    /// Allowed if every condition (in the compiler's JSON form) holds.
    Allowed(Vec<Value>),
    /// Answered as a kernel without this call would.
    Absent,
}

fn parse<'a>(list: &'a str, arch: &str) -> Result<Vec<Line<'a>>, String> {
    let mut lines = Vec::new();
    let mut counts = false;
    for (number, text) in list.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(section) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            counts = section == "all" || section == arch;
        } else if counts {
            lines.push(parse_line(text).map_err(|error| format!("line {}: {error}", number + 1))?);
        }
    }
    Ok(lines)
}

fn parse_line(text: &str) -> Result<Line<'_>, String> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let verdict = match rest {
        "" => Verdict::Allowed(Vec::new()),
        "enosys" => Verdict::Absent,
        _ => {
            let conditions = rest.strip_prefix("if ").ok_or_else(|| format!("'{rest}' is no verdict"))?;
            Verdict::Allowed(conditions.split(" and ").map(parse_condition).collect::<Result<_, _>>()?)
        }
    };
    Ok(Line { name, verdict })
}

fn parse_condition(text: &str) -> Result<Value, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (argument, operator, value) = match words[..] {
        [argument, "=", value] => (argument, json!("eq"), value),
        [argument, "!=", value] => (argument, json!("ne"), value),
        [argument, "&", mask, "=", value] => (argument, json!({"masked_eq": number(mask)?}), value),
        _ => return Err(format!("'{text}' is no condition")),
    };
    let index = argument.strip_prefix("arg").ok_or_else(|| format!("'{argument}' is no argument"))?;
    // The lower half: the kernel takes each of the arguments named in the list as 32 bits.
    Ok(json!({"index": number(index)?, "type": "dword", "op": operator, "val": number(value)?}))
}

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("'{text}': {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_compiles_for_both_architectures() {
        for arch in ["x86_64", "aarch64"] {
            let filters = compile_for(arch).unwrap_or_else(|error| panic!("{arch}: {error}"));
            assert!(filters.allowed.len() > 500, "{arch}: {}", filters.allowed.len());
        }
    }

    #[test]
    fn dangerous_calls_are_not_in_the_list() {
        for arch in ["x86_64", "aarch64"] {
            let names: Vec<_> = parse(LIST, arch).unwrap().into_iter().map(|line| line.name).collect();
            for call in [
                "mount",
                "umount2",
                "pivot_root",
                "chroot",
                "unshare",
                "setns",
                "ptrace",
                "bpf",
                "keyctl",
                "add_key",
                "request_key",
                "perf_event_open",
                "userfaultfd",
                "kexec_load",
                "init_module",
                "reboot",
                "process_vm_readv",
                "process_vm_writev",
                "pidfd_getfd",
                "open_by_handle_at",
                "kcmp",
                "syslog",
                "swapon",
                "clock_settime",
                "move_mount",
                "fsopen",
                "open_tree",
            ] {
                assert!(!names.contains(&call), "{call} is allowed on {arch}");
            }
        }
    }

    #[test]
    fn conditions_are_read_and_mistakes_refused() {
        let line = parse_line("ioctl if arg1 != 0x5412 and arg2 & 0xf = 1").unwrap();
        let Verdict::Allowed(conditions) = line.verdict else { panic!("not allowed") };
        assert_eq!(conditions[0], json!({"index": 1, "type": "dword", "op": "ne", "val": 0x5412}));
        assert_eq!(conditions[1], json!({"index": 2, "type": "dword", "op": {"masked_eq": 15}, "val": 1}));
        assert!(parse_line("read maybe").is_err());
        assert!(parse_line("read if arg0 > 1").is_err());
        assert!(parse_line("read if flags = 1").is_err());
    }
}
