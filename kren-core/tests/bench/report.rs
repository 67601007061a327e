//! Figures into a table.

pub(crate) struct Row {
    size: usize,
    cells: Vec<(&'static str, String)>,
}

impl Row {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            cells: vec![("message", size_name(size))],
        }
    }

    pub(crate) fn cell(mut self, head: &'static str, text: String) -> Self {
        self.cells.push((head, text));
        self
    }

    /// Messages per second, and what that is in bytes.
    pub(crate) fn rate(self, rate: f64) -> Self {
        let bytes = rate * self.size as f64 / 1e9;
        self.cell("messages/s", format!("{:.2} M", rate / 1e6))
            .cell("GB/s", format!("{bytes:.2}"))
    }
}

pub(crate) fn print(rows: &[Row]) {
    let line = |texts: Vec<String>| {
        println!(
            "  {}",
            texts
                .iter()
                .map(|text| format!("{text:>12}"))
                .collect::<String>()
        );
    };
    line(
        rows[0]
            .cells
            .iter()
            .map(|(head, _)| (*head).to_string())
            .collect(),
    );
    for row in rows {
        line(row.cells.iter().map(|(_, text)| text.clone()).collect());
    }
}

fn size_name(size: usize) -> String {
    if size >= 1024 {
        format!("{} KiB", size / 1024)
    } else {
        format!("{size} B")
    }
}

/// Of sorted samples.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    percentile(samples, 0.5)
}

/// The machine in a line.
pub(crate) fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split(':').nth(1)?.trim().to_string())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_string());
    format!("{model}, {processors} processors, {}", std::env::consts::OS)
}
