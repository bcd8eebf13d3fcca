//! Bombs: each ends in its own sandbox.

use oxwhisk_container::ExitReason;

use crate::harness::{Outcome, Test};
use crate::rig::{Action, Rig, block_on, read_to_end};

pub(crate) const TESTS: &[Test] = &[
    ("limits::a_fork_bomb_ends_in_its_sandbox", fork_bomb),
    ("limits::a_memory_bomb_is_ended_and_named", memory_bomb),
    ("limits::many_small_processes_are_held_together", memory_of_many),
    ("limits::without_cgroups_the_watchdog_holds_the_memory", watchdog),
    ("limits::a_full_tmp_is_an_error_and_no_more", disk_bomb),
    ("limits::shared_memory_is_bounded", shm_bomb),
    ("limits::open_files_and_core_dumps_are_limited", rlimits),
    ("limits::output_that_nobody_reads_fills_no_memory", output_bomb),
];

async fn goes_on(bystander: &Action) {
    assert_eq!(bystander.run("import subprocess; result = subprocess.call(['true'])").await, "0");
}

fn fork_bomb() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let bystander = rig.python("bystander").await;
        let bomb = rig.script("bomb", "b() { b | b & }; b; while :; do :; done").await.unwrap();
        let counter = rig.python("counter").await;
        let code = "
import os, time
children = []
try:
    while len(children) < 1000:
        pid = os.fork()
        if pid == 0: time.sleep(1000)
        children.append(pid)
    result = 'no limit'
except OSError as error:
    result = (error.errno, len(children) < 64)
for pid in children: os.kill(pid, 9)
";
        assert_eq!(counter.run(code).await, "(11, True)");
        goes_on(&bystander).await;
        bomb.destroy().await.unwrap();
        counter.end().await;
        goes_on(&bystander).await;
        bystander.end().await;
        rig.end().await;
        Ok(())
    })
}

fn memory_bomb() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let (bystander, bomb) = (rig.python("bystander").await, rig.python("bomb").await);
        let answer = bomb.try_run("x = bytearray(400 << 20); result = len(x)").await;
        if rig.factory.report().to_string().contains("memory: WARNING") {
            // Without a cgroup, one process runs into its own limit and lives on.
            assert!(matches!(&answer, Ok(text) if text.contains("MemoryError")), "{answer:?}");
            goes_on(&bystander).await;
            return Ok(());
        }
        assert!(!matches!(&answer, Ok(text) if text.contains("419430400")), "{answer:?}");
        assert_eq!(wait_for_end(&bomb).await, ExitReason::OutOfMemory);
        goes_on(&bystander).await;
        bomb.end().await;
        bystander.end().await;
        rig.end().await;
        Ok(())
    })
}

async fn wait_for_end(action: &Action) -> ExitReason {
    let wait = async {
        loop {
            if let Some(reason) = action.container.exit_reason().await {
                return reason;
            }
        }
    };
    tokio::time::timeout(crate::rig::LIMIT, wait).await.expect("it did not end")
}

fn memory_of_many() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("many").await;
        let code = "
import os, time
pipes, children = [], []
for i in range(8):
    read, write = os.pipe()
    children.append(os.fork())
    if children[-1] == 0:
        x = bytearray(60 << 20)
        os.write(write, b'k')
        time.sleep(1000)
    os.close(write)
    pipes.append(read)
for r in pipes: os.read(r, 1)
# One that had its memory may be ended later for another's sake, and needs a moment to be gone.
alive, deadline = set(children), time.monotonic() + 10
while len(alive) == 8 and time.monotonic() < deadline:
    alive = {pid for pid in alive if os.waitpid(pid, os.WNOHANG) == (0, 0)}
    time.sleep(0.01)
result = len(alive)
for pid in alive: os.kill(pid, 9)
";
        // Either some of them were ended, or the next was refused, or the whole sandbox was ended.
        match action.try_run(code).await {
            Ok(answer) if answer.starts_with("ERROR") => {
                assert!(answer.to_lowercase().contains("memory"), "{answer}");
            }
            Ok(answer) if !answer.is_empty() => {
                let alive: u32 = answer.parse().unwrap_or_else(|_| panic!("{answer}"));
                assert!(alive < 8, "{alive} times 60 MiB in 256 MiB");
            }
            _ => assert_eq!(wait_for_end(&action).await, ExitReason::OutOfMemory),
        }
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

fn watchdog() -> Outcome {
    block_on(async {
        let rig = Rig::with(|config| config.cgroups = false).await?;
        let report = rig.factory.report().to_string();
        assert!(report.contains("memory: WARNING") && report.contains("processes: WARNING"), "{report}");
        let (bystander, alone) = (rig.python("bystander").await, rig.python("alone").await);
        // One process runs into its own limit and lives on,
        let answer = alone.run("x = bytearray(400 << 20)").await;
        assert!(answer.contains("MemoryError"), "{answer}");
        // several together are ended.
        let code = "
import os, time
for i in range(8):
    if os.fork() == 0:
        x = bytearray(60 << 20)
        time.sleep(1000)
time.sleep(1000)
";
        alone.try_run(code).await.unwrap_or_default();
        assert_eq!(wait_for_end(&alone).await, ExitReason::OutOfMemory);
        goes_on(&bystander).await;
        let forks = bystander
            .run(
                "
import os, time
children = []
try:
    while len(children) < 1000:
        pid = os.fork()
        if pid == 0: time.sleep(1000)
        children.append(pid)
    result = 'no limit'
except OSError as error: result = error.errno
for pid in children: os.kill(pid, 9)
",
            )
            .await;
        assert_eq!(forks, "11");
        alone.end().await;
        bystander.end().await;
        rig.end().await;
        Ok(())
    })
}

fn disk_bomb() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("disk").await;
        let fill = "
written = 0
try:
    with open('/tmp/big', 'wb', 0) as f:
        while written < 1 << 30: written += f.write(b'x' * 65536)
    result = 'no limit'
except OSError as error:
    result = (error.errno, written <= 16 << 20)
";
        assert_eq!(action.run(fill).await, "(28, True)");
        let many = "
import os
try:
    os.unlink('/tmp/big')
    for i in range(1 << 20): os.mknod(f'/tmp/f{i}')
    result = 'no limit'
except OSError as error:
    result = error.errno
";
        assert_eq!(action.run(many).await, "28");
        let clean = "import os; [os.unlink('/tmp/' + n) for n in os.listdir('/tmp')]; open('/tmp/again', 'w').write('x'); result = 1";
        assert_eq!(action.run(clean).await, "1");
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

fn shm_bomb() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let text =
            rig.shell("shm", "head -c 100000000 /dev/zero > /dev/shm/x; stat -c 'size %s' /dev/shm/x").await;
        // What `head` complains of comes over another pipe, before or after.
        let size = text.split("size ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let size: u64 = size.and_then(|size| size.parse().ok()).unwrap_or_else(|| panic!("{text}"));
        assert!(size <= 16 << 20, "{text}");
        rig.end().await;
        Ok(())
    })
}

fn rlimits() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let text = rig
            .shell("limits", "ulimit -n; ulimit -c; ulimit -H -n; ulimit -n 4096 2>/dev/null || echo held")
            .await;
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["1024", "0", "1024", "held"], "{text}");
        rig.end().await;
        Ok(())
    })
}

fn output_bomb() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let bomb = rig.script("loud", "yes 0123456789 | head -c 50000000; echo; echo end").await.unwrap();
        // The pipe is full and the writer waits: it is alive for as long as nobody reads.
        assert_eq!(bomb.exit_reason().await, None);
        let text = read_to_end(&*bomb).await;
        assert!(text.len() > 50_000_000 && text.ends_with("end\n"), "{} bytes", text.len());
        bomb.destroy().await.unwrap();
        rig.end().await;
        Ok(())
    })
}
