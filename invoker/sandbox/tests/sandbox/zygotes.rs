//! What is particular to sandboxes that are forks of one process.

use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Outcome, Test};
use crate::rig::{LIMIT, Rig, block_on};

pub(crate) const TESTS: &[Test] = &[
    ("zygotes::forks_share_no_descriptor_no_environment_and_no_files", forks_are_apart),
    ("zygotes::a_killed_zygote_is_replaced_and_its_forks_go_on", zygote_killed),
    ("zygotes::a_fork_signals_its_threads_as_a_started_process_does", thread_number),
];

/// Zygotes that are children of this process.
fn zygotes() -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let ours = status.contains(&format!("\nPPid:\t{}\n", std::process::id()));
        // Its forks show the same environment, but are the first process of a namespace of their own.
        let outside = status.lines().any(|line| line.split_whitespace().eq(["NSpid:", &format!("{pid}")]));
        if ours && outside && environment.windows(10).any(|part| part == b"OW_ZYGOTE=") {
            found.push(pid);
        }
    }
    found
}

fn forks_are_apart() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let (one, two) = (rig.python("one").await, rig.python("two").await);
        let left =
            "import os; os.environ['SECRET'] = 'x'; open('/tmp/mine', 'w').write('x'); result = os.getpid()";
        assert_eq!(one.run(left).await, "1");
        let found = "import os; result = (os.getpid(), os.environ.get('SECRET'), os.listdir('/tmp'))";
        assert_eq!(two.run(found).await, "(1, None, [])");
        let sockets = "import os; l = [os.readlink('/proc/self/fd/' + n) for n in os.listdir('/proc/self/fd') \
                       if os.path.exists('/proc/self/fd/' + n) or os.path.islink('/proc/self/fd/' + n)]; \
                       result = sum(1 for name in l if name.startswith('socket'))";
        // The listener and this very connection.
        assert_eq!(two.run(sockets).await, "2");
        one.end().await;
        two.end().await;
        rig.end().await;
        Ok(())
    })
}

fn zygote_killed() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let before = rig.python("before").await;
        let [zygote] = zygotes()[..] else { panic!("not one zygote: {:?}", zygotes()) };
        kill(Pid::from_raw(zygote), Signal::SIGKILL).unwrap();
        // Its forks in stock are used up; then actions are started without it until there is another. None fails.
        let deadline = Instant::now() + LIMIT;
        while !zygotes().iter().any(|pid| *pid != zygote) {
            assert!(Instant::now() < deadline, "there is no other zygote");
            rig.python("after").await.end().await;
        }
        assert_eq!(before.run("result = 'still here'").await, "'still here'");
        before.end().await;
        rig.end().await;
        Ok(())
    })
}

fn thread_number() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("abort").await;
        // The C library takes the number of another thread from memory, where the zygote's would be wrong.
        let number =
            "import signal, threading; result = signal.pthread_kill(threading.main_thread().ident, 0)";
        assert_eq!(action.run(number).await, "None");
        let abort =
            "import os\npid = os.fork()\nif pid == 0: os.abort()\nresult = os.waitpid(pid, 0)[1] & 127";
        assert_eq!(action.run(abort).await, "6");
        action.end().await;
        rig.end().await;
        Ok(())
    })
}
