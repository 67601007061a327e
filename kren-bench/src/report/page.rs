//! Headings, lines and tables, for a console or for a document.

use std::fmt::Write as _;

/// What is to be shown, in the order in which it came.
pub(crate) struct Page {
    markdown: bool,
    text: String,
}

impl Page {
    pub(crate) fn console() -> Self {
        Self {
            markdown: false,
            text: String::new(),
        }
    }

    pub(crate) fn markdown() -> Self {
        Self {
            markdown: true,
            text: String::new(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn heading(&mut self, text: &str) {
        let _ = match self.markdown {
            true => writeln!(self.text, "\n## {text}"),
            false => writeln!(self.text, "\n== {text} =="),
        };
    }

    /// A paragraph.
    pub(crate) fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "\n{text}");
    }

    /// Names, each with what is said of it.
    pub(crate) fn list(&mut self, title: &str, rows: &[(String, String)]) {
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(self.text, "\n{title}");
        if self.markdown {
            self.text.push('\n');
        }
        for (name, said) in rows {
            let _ = match self.markdown {
                true => writeln!(self.text, "- `{name}`: {said}"),
                false => writeln!(self.text, "  {name:<23}{said}"),
            };
        }
    }

    /// A row for each name, a column for each head; nothing if there are no rows.
    pub(crate) fn table(&mut self, title: &str, heads: &[String], rows: &[(String, Vec<String>)]) {
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(self.text, "\n{title}");
        if self.markdown {
            self.rows_of_document(heads, rows);
        } else {
            self.rows_of_console(heads, rows);
        }
    }

    fn rows_of_document(&mut self, heads: &[String], rows: &[(String, Vec<String>)]) {
        let _ = writeln!(self.text, "\n| | {} |", heads.join(" | "));
        let _ = writeln!(self.text, "|---|{}", "---:|".repeat(heads.len()));
        for (name, cells) in rows {
            let _ = writeln!(self.text, "| {name} | {} |", cells.join(" | "));
        }
    }

    fn rows_of_console(&mut self, heads: &[String], rows: &[(String, Vec<String>)]) {
        let wide = |at: usize| {
            let cells = rows.iter().filter_map(|(_, cells)| cells.get(at));
            let widths = cells.chain(heads.get(at)).map(|cell| cell.chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(wide).collect();
        let names = rows.iter().map(|(name, _)| name.chars().count());
        let left = names.max().unwrap_or(0).max(20) + 2;
        let mut line = |name: &str, cells: &[String]| {
            let cells: Vec<String> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| format!("{cell:>width$}"))
                .collect();
            let line = format!("  {name:<left$}{}", cells.join("  "));
            let _ = writeln!(self.text, "{}", line.trim_end());
        };
        line("", heads);
        rows.iter().for_each(|(name, cells)| line(name, cells));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_the_same_on_a_console_and_in_a_document() {
        let rows = [("kren".to_owned(), vec!["1.0".to_owned(), "20".to_owned()])];
        let heads = ["8 B", "64 B"].map(str::to_owned);
        let mut page = Page::console();
        page.table("Trips", &heads, &rows);
        page.table("Empty", &heads, &[]);
        let expected =
            "\nTrips\n                        8 B  64 B\n  kren                  1.0    20\n";
        assert_eq!(page.text(), expected);
        let mut page = Page::markdown();
        page.table("Trips", &heads, &rows);
        let expected = "\nTrips\n\n| | 8 B | 64 B |\n|---|---:|---:|\n| kren | 1.0 | 20 |\n";
        assert_eq!(page.text(), expected);
    }
}
