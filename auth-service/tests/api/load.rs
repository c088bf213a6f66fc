//! How much of the machine other programs use. A test that compares times cannot judge them beside busy programs: it says so on
//! standard error, and does not fail.

use std::fs;
use std::io::Write as _;

/// Share of all cores that other programs may use while times are compared.
const MAX_SHARE: f64 = 0.25;

/// What was used since the machine started, in ticks.
struct Usage {
    all: u64,
    busy: u64,
    /// By this process, and by the servers of PostgreSQL, which work for it.
    own: u64,
}

/// Watches the machine from its creation on.
pub struct Load {
    begin: Option<Usage>,
}

impl Load {
    pub fn watch() -> Self {
        Self { begin: Usage::now() }
    }

    /// Fails with `reason` unless other programs kept the machine busy.
    #[track_caller]
    pub fn fail(&self, reason: &str) {
        let share = self.share_of_others();
        assert!(share > MAX_SHARE, "{reason}");
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let line = format!(
            "\nSKIPPED: {name} judged no times: other programs used {:.0}% of the machine. ({reason})\n",
            share * 100.0
        );
        // The test harness captures what macros print.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }

    /// Fails with `reason` if `condition` does not hold, unless other programs kept the machine busy.
    #[track_caller]
    pub fn assert(&self, condition: bool, reason: &str) {
        if !condition {
            self.fail(reason);
        }
    }

    /// Zero where the system does not report it.
    #[expect(clippy::cast_precision_loss, reason = "a share needs few digits")]
    fn share_of_others(&self) -> f64 {
        let (Some(begin), Some(end)) = (&self.begin, Usage::now()) else { return 0.0 };
        let others = (end.busy - begin.busy).saturating_sub(end.own.saturating_sub(begin.own));
        others as f64 / (end.all - begin.all).max(1) as f64
    }
}

impl Usage {
    /// As Linux reports it in `/proc`; `None` on other systems.
    fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        // user, nice, system, idle, iowait, irq, softirq, steal
        let ticks: Vec<u64> = stat
            .lines()
            .next()?
            .split_whitespace()
            .skip(1)
            .take(8)
            .map_while(|text| text.parse().ok())
            .collect();
        let all: u64 = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let me = std::process::id().to_string();
        let own = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (command, rest) = stat.rsplit_once(')')?;
            let is_own = entry.file_name().to_str() == Some(&me) || command.ends_with("(postgres");
            let field = |index| rest.split_whitespace().nth(index)?.parse::<u64>().ok();
            is_own.then(|| Some(field(11)? + field(12)?))? // utime and stime
        });
        Some(Self { all, busy: all - idle, own: own.sum() })
    }
}
