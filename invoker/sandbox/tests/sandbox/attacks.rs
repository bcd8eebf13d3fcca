//! What code in a sandbox must not be able to do. After each attack the server and its other sandboxes go on.

use crate::harness::{Outcome, Test};
use crate::rig::{Action, Rig, block_on};

pub(crate) const TESTS: &[Test] = &[
    ("attacks::the_hosts_files_cannot_be_read_or_written", files),
    ("attacks::the_servers_environment_and_data_are_out_of_reach", server_secrets),
    ("attacks::no_other_process_can_be_signalled_or_traced", processes),
    ("attacks::dangerous_system_calls_are_refused", system_calls),
    ("attacks::devices_cannot_be_made_or_opened", devices),
    ("attacks::another_sandbox_is_invisible", other_sandbox),
    ("attacks::the_socket_cannot_lead_the_server_elsewhere", socket_swap),
];

/// Each attack must end in one of the errors named, written as Python writes them.
async fn refuse(action: &Action, attacks: &[(&str, &[&str])]) {
    for (code, errors) in attacks {
        let answer = action.run(code).await;
        let refused = answer.starts_with("ERROR") && errors.iter().any(|error| answer.contains(error));
        assert!(refused, "{code}: {answer}");
    }
    assert_eq!(action.run("result = 'alive'").await, "'alive'");
}

fn files() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("files").await;
        let (absent, read_only): (&[&str], &[&str]) =
            (&["FileNotFoundError"], &["Read-only file system", "PermissionError"]);
        let attacks = [
            ("open('/etc/shadow').read()", absent),
            ("open('/proc/1/root/etc/shadow').read()", absent),
            ("open('/proc/self/root/../../etc/shadow').read()", absent),
            ("import os; os.listdir('/root/.ssh')", absent),
            ("import os; os.listdir('/sys')", absent),
            ("import os; os.listdir('/boot')", absent),
            ("open('/usr/bin/evil', 'w')", read_only),
            ("open('/opt/test/server.py', 'a')", read_only),
            ("open('/etc/passwd', 'a')", read_only),
            ("import os; os.mkdir('/x')", read_only),
            ("import os; os.chmod('/opt/test/server.py', 0o777)", read_only),
            ("open('/proc/sys/kernel/hostname', 'w').write('x')", read_only),
            ("open('/proc/sys/kernel/core_pattern', 'w').write('|/x')", read_only),
            // Where the kernel has it, it is hidden: what is written is lost, and nothing comes back.
            (
                "open('/proc/sysrq-trigger', 'w').write('x'); open('/proc/sysrq-trigger').read()[0]",
                &["IndexError", "FileNotFoundError"],
            ),
            ("import os; os.write(os.open('/proc/self/uid_map', os.O_WRONLY), b'0 0 1')", read_only),
            ("open('/proc/kcore', 'rb').read(1)[0]", &["IndexError", "PermissionError", "FileNotFoundError"]),
            ("open('/proc/kmsg').read(1)", &["PermissionError"]),
            (
                "import subprocess; subprocess.check_call(['mount', '-o', 'remount,rw', '/'])",
                &["CalledProcessError"],
            ),
        ];
        refuse(&action, &attacks).await;
        let mounts = action.run("result = open('/proc/self/mounts').read()").await;
        for line in mounts.split("\\n").filter(|line| line.contains(" /usr ") || line.contains(" / ")) {
            assert!(line.contains(" ro,nosuid,nodev"), "{line}");
        }
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

fn server_secrets() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("secrets").await;
        let secret = rig.directory.path().join("secret");
        std::fs::write(&secret, "top-secret").unwrap();
        refuse(&action, &[(&format!("open({secret:?}).read()"), &["FileNotFoundError"])]).await;
        let seen = action
            .run("import glob; result = ' '.join(open(f, errors='replace').read() for f in glob.glob('/proc/[0-9]*/environ'))")
            .await;
        let own_names = ["HOME", "LANG", "PATH", "PYTHONUNBUFFERED"];
        for (name, value) in
            std::env::vars().filter(|(name, value)| value.len() > 7 && !own_names.contains(&name.as_str()))
        {
            assert!(!seen.contains(&value), "the value of {name} is in a sandbox");
        }
        assert!(seen.contains("OW_LISTEN"), "{seen}");
        let links =
            action.run("import os; result = [os.readlink(f'/proc/self/fd/{f}') for f in range(3)]").await;
        assert!(!links.contains("socket"), "{links}");
        action.end().await;
        // The fourth is the directory being listed.
        let open = rig.shell("open", "ls /proc/self/fd").await;
        assert_eq!(open.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
        rig.end().await;
        Ok(())
    })
}

fn processes() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let (action, other) = (rig.python("attacker").await, rig.python("bystander").await);
        let server = std::process::id();
        let attacks = [
            (format!("import os; os.kill({server}, 9)"), "ProcessLookupError"),
            (format!("open('/proc/{server}/environ').read()"), "FileNotFoundError"),
            (format!("open('/proc/{server}/mem', 'rb').read(1)"), "FileNotFoundError"),
        ];
        for (code, error) in &attacks {
            refuse(&action, &[(code, &[error])]).await;
        }
        // -1 means everybody one may signal. In the namespace that is nobody but the caller's own children.
        let killed = action.run("import os, signal\ntry: os.kill(-1, signal.SIGKILL)\nexcept ProcessLookupError: pass\nresult = 'sent'").await;
        assert_eq!(killed, "'sent'");
        let visible = action.run("import os; result = [p for p in os.listdir('/proc') if p.isdigit()]").await;
        assert_eq!(visible, "['1']");
        assert_eq!(other.run("result = 1").await, "1");
        action.end().await;
        other.end().await;
        rig.end().await;
        Ok(())
    })
}

/// Numbers for x86-64 and, after the colon, for the newer architectures' common table; what is refused, and how.
const CALLS: &str = r#"
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
calls = {
  # name: (x86-64, aarch64, arguments, expected)
  'ptrace traceme': (101, 117, (0, 0, 0, 0), 'EPERM'),
  'ptrace seize': (101, 117, (0x4206, 1, 0, 0), 'EPERM'),
  'process_vm_readv': (310, 270, (1, 0, 0, 0, 0, 0), 'EPERM'),
  'pidfd_getfd': (438, 438, (0, 0, 0), 'EPERM'),
  'unshare user': (272, 97, (0x10000000,), 'EPERM'),
  'unshare mount': (272, 97, (0x20000,), 'EPERM'),
  'setns': (308, 268, (0, 0), 'EPERM'),
  'mount': (165, 40, (0, 0, 0, 0, 0), 'EPERM'),
  'umount': (166, 39, (0, 2), 'EPERM'),
  'pivot_root': (155, 41, (0, 0), 'EPERM'),
  'chroot': (161, 51, (b'/tmp',), 'EPERM'),
  'fsopen': (430, 430, (b'tmpfs', 0), 'EPERM'),
  'open_tree': (428, 428, (-100, b'/', 1), 'EPERM'),
  'clone newuser': (56, 220, (0x10000000 | 17, 0, 0, 0, 0), 'EPERM'),
  'clone3': (435, 435, (0, 0), 'ENOSYS'),
  'io_uring_setup': (425, 425, (1, 0), 'ENOSYS'),
  'bpf': (321, 280, (0, 0, 0), 'EPERM'),
  'perf_event_open': (298, 241, (0, 0, 0, 0, 0), 'EPERM'),
  'userfaultfd': (323, 282, (0,), 'EPERM'),
  'keyctl': (250, 219, (0, 0), 'EPERM'),
  'add_key': (248, 217, (0, 0, 0, 0, 0), 'EPERM'),
  'init_module': (175, 105, (0, 0, 0), 'EPERM'),
  'kexec_load': (246, 104, (0, 0, 0, 0), 'EPERM'),
  'reboot': (169, 142, (0, 0, 0, 0), 'EPERM'),
  'swapon': (167, 224, (0, 0), 'EPERM'),
  'syslog': (103, 116, (3, 0, 0), 'EPERM'),
  'sethostname': (170, 161, (b'x', 1), 'EPERM'),
  'settimeofday': (164, 170, (0, 0), 'EPERM'),
  'open_by_handle_at': (304, 265, (0, 0, 0), 'EPERM'),
  'quotactl': (179, 60, (0, 0, 0, 0), 'EPERM'),
  'personality': (135, 92, (0x0040000,), 'EPERM'),
  'socket vsock': (41, 198, (40, 1, 0), 'EPERM'),
  'socket alg': (41, 198, (38, 5, 0), 'EPERM'),
  'socket packet': (41, 198, (17, 3, 0), 'EPERM'),
  'socket raw': (41, 198, (2, 3, 1), 'EPERM'),
  'ioctl tiocsti': (16, 29, (0, 0x5412, b'x'), 'EPERM'),
}
result = []
for name, (x86, arm, arguments, expected) in calls.items():
    number = x86 if platform.machine() == 'x86_64' else arm
    ctypes.set_errno(0)
    returned = libc.syscall(ctypes.c_long(number), *[a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments])
    if returned == 0 and name == 'clone newuser': import os; os._exit(0)
    got = errno.errorcode.get(ctypes.get_errno(), 'none') if returned == -1 else 'allowed'
    if got != expected: result.append((name, got))
"#;

fn system_calls() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("calls").await;
        assert_eq!(action.run(CALLS).await, "[]");
        action.end().await;
        // A set-user-id program gains nothing.
        let text = rig.shell("suid", "su -c id nobody 2>&1; echo status $?").await;
        assert!(!text.contains("status 0"), "{text}");
        rig.end().await;
        Ok(())
    })
}

fn devices() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("devices").await;
        let attacks: [(&str, &[&str]); 3] = [
            (
                "import os, stat; os.mknod('/tmp/disk', 0o600 | stat.S_IFBLK, os.makedev(8, 0))",
                &["PermissionError"],
            ),
            (
                "import os, stat; os.mknod('/tmp/mem', 0o600 | stat.S_IFCHR, os.makedev(1, 1))",
                &["PermissionError"],
            ),
            ("open('/dev/tty')", &["FileNotFoundError"]),
        ];
        refuse(&action, &attacks).await;
        let names = action.run("import os; result = sorted(os.listdir('/dev'))").await;
        assert_eq!(
            names,
            "['fd', 'full', 'null', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'urandom', 'zero']"
        );
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

fn other_sandbox() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let (one, two) = (rig.python("one").await, rig.python("two").await);
        one.run("open('/tmp/mine', 'w').write('x'); open('/dev/shm/mine', 'w').write('x')").await;
        one.run("import socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0abstract'); s.listen(); import builtins; builtins.kept = s").await;
        let attacks: [(&str, &[&str]); 3] = [
            ("open('/tmp/mine')", &["FileNotFoundError"]),
            ("open('/dev/shm/mine')", &["FileNotFoundError"]),
            (
                "import socket; socket.socket(socket.AF_UNIX).connect('\\0abstract')",
                &["ConnectionRefusedError"],
            ),
        ];
        refuse(&two, &attacks).await;
        let identity = "result = (open('/proc/self/uid_map').read().split()[1], __import__('os').readlink('/proc/self/ns/ipc'))";
        assert_ne!(one.run(identity).await, two.run(identity).await);
        one.end().await;
        two.end().await;
        rig.end().await;
        Ok(())
    })
}

fn socket_swap() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        // A socket of the server's world that a tricked connect would reach.
        let target = rig.directory.path().join("internal");
        let listener = std::os::unix::net::UnixListener::bind(&target).unwrap();
        listener.set_nonblocking(true).unwrap();
        let action = rig.python("swap").await;
        let swap = format!(
            "import os; os.rename('/run/ow/socket', '/run/ow/old'); os.symlink({target:?}, '/run/ow/socket'); result = os.readlink('/run/ow/socket')"
        );
        assert!(action.run(&swap).await.contains("internal"));
        let error = action.try_run("result = 1").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ELOOP), "{error}");
        assert!(listener.accept().is_err(), "the server was led to its own socket");
        action.end().await;
        let text = rig
            .shell(
                "fill",
                "i=0; while [ $i -lt 100 ] && touch /run/ow/f$i; do i=$((i+1)); done 2>/dev/null; echo files $i; \
                 head -c 1000000 /dev/zero > /run/ow/f0; stat -c 'size %s' /run/ow/f0",
            )
            .await;
        let number = |word: &str| -> u64 {
            let rest = text.split(word).nth(1).unwrap_or_else(|| panic!("{text}"));
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        assert!(number("files ") < 20 && number("size ") <= 64 << 10, "{text}");
        rig.end().await;
        Ok(())
    })
}
