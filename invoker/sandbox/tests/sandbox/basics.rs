//! What must work.

use crate::harness::{Outcome, Test};
use crate::rig::{Rig, block_on};

pub(crate) const TESTS: &[Test] = &[
    ("basics::the_report_names_what_is_in_force", report),
    ("basics::a_script_runs_and_its_output_arrives", output),
    ("basics::a_server_is_reached_over_its_socket", server),
    ("basics::files_threads_and_children_work", everyday),
    ("basics::node_runs_with_threads_and_children", node),
    ("basics::user_identity_and_environment_are_the_sandboxes_own", identity),
];

#[expect(clippy::print_stdout, reason = "it tells whoever runs the tests what they were run on")]
fn report() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let report = rig.factory.report();
        print!("{report}");
        for topic in [
            "memory",
            "processes",
            "cpu",
            "suspend",
            "system calls",
            "namespaces",
            "users",
            "network",
            "api",
            "ipv6",
            "names",
            "runtime",
        ] {
            assert!(report.lines().iter().any(|line| line.topic == topic), "nothing on {topic}");
        }
        rig.end().await;
        Ok(())
    })
}

fn output() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let text = rig.shell("hello", "echo out; echo err >&2").await;
        assert!(text.contains("out\n") && text.contains("E:err\n"), "{text}");
        rig.end().await;
        Ok(())
    })
}

fn server() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("server").await;
        assert_eq!(action.run("result = 6 * 7").await, "42");
        assert_eq!(action.container.exit_reason().await, None);
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

fn everyday() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("everyday").await;
        let checks = [
            ("open('/tmp/a', 'w').write('x' * 100000); result = len(open('/tmp/a').read())", "100000"),
            ("import tempfile; result = tempfile.TemporaryFile().write(b'abc')", "3"),
            (
                "import threading\nseen = []\nts = [threading.Thread(target=seen.append, args=(i,)) for i in range(20)]\n\
                 [t.start() for t in ts]; [t.join() for t in ts]; result = len(seen)",
                "20",
            ),
            (
                "import subprocess; result = subprocess.check_output(['sh', '-c', 'echo child | tr a-z A-Z'])",
                "b'CHILD\\n'",
            ),
            (
                "import multiprocessing.shared_memory as m; s = m.SharedMemory(create=True, size=4096); result = s.size; s.unlink()",
                "4096",
            ),
            (
                "import os; open('/dev/null', 'w').write('x'); result = len(os.urandom(8)) + len(open('/dev/urandom', 'rb').read(8))",
                "16",
            ),
            ("import socket; result = socket.gethostbyname(socket.gethostname())", "'127.0.0.1'"),
            ("import ssl; result = len(ssl.create_default_context().get_ca_certs()) >= 0", "True"),
            ("open('/dev/stdout', 'w').write('direct\\n'); result = 1", "1"),
        ];
        for (code, expected) in checks {
            assert_eq!(action.run(code).await, expected, "{code}");
        }
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

const NODE: &str = "
const { execSync } = require('child_process');
const { Worker } = require('worker_threads');
let hot = 0; for (let i = 0; i < 3e6; i++) hot = (hot + i * i) % 1000003;
console.log('child ' + execSync('echo yes').toString().trim() + ' ' + hot);
new Worker('require(\"worker_threads\").parentPort.postMessage(\"thread\")', { eval: true })
  .on('message', (text) => { console.log(text); });
require('fs').promises.writeFile('/tmp/x', 'y').then(() => console.log('file'));
";

fn node() -> Outcome {
    block_on(async {
        let node = std::process::Command::new("node").arg("--version").output();
        if !node.is_ok_and(|output| output.status.success()) {
            return Err("node is not installed".into());
        }
        let rig = Rig::with(|config| {
            config.runtimes.push(oxwhisk_sandbox::RuntimeSpec {
                kinds: vec!["nodejs".into()],
                interpreter: Some(oxwhisk_sandbox::Interpreter::Node("node".into())),
                argv: vec!["-e".into(), NODE.into()],
                files: Vec::new(),
                env: Vec::new(),
                working_dir: "/".into(),
                builtin: None,
                zygote: None,
            });
        })
        .await?;
        let spec = crate::rig::spec("node", "nodejs:20", &[]);
        let container = oxwhisk_container::ContainerFactory::create(&rig.factory, spec).await.unwrap();
        let text = crate::rig::read_to_end(&*container).await;
        assert!(text.contains("child yes") && text.contains("thread") && text.contains("file"), "{text}");
        container.destroy().await.unwrap();
        rig.end().await;
        Ok(())
    })
}

fn identity() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("identity").await;
        assert_eq!(
            action.run("import os; result = (os.getuid(), os.getgid(), os.getpid(), os.getgroups())").await,
            "(0, 0, 1, [])"
        );
        assert_eq!(action.run("import os; result = os.uname().nodename").await, "'action'");
        let names = action.run("import os; result = sorted(os.environ)").await;
        assert_eq!(names, "['HOME', 'LANG', 'OW_LISTEN', 'PATH', 'PYTHONUNBUFFERED']");
        let caps = action.run("result = [l for l in open('/proc/self/status') if l.startswith(('Cap', 'NoNew', 'Seccomp:'))]").await;
        for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(caps.contains(&format!("'{line}:\\t0000000000000000\\n'")), "{caps}");
        }
        assert!(caps.contains("NoNewPrivs:\\t1") && caps.contains("Seccomp:\\t2"), "{caps}");
        let fds = action.run("import os; result = [os.readlink('/proc/self/fd/' + f).split(':')[0] for f in ('0', '1', '2')]").await;
        assert_eq!(fds, "['/dev/null', 'pipe', 'pipe']");
        action.end().await;
        rig.end().await;
        Ok(())
    })
}
