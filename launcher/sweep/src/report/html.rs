//! HTML, as far as the report needs it.

/// Text that stands for itself, between tags and in quoted attributes. Control characters, which XML forbids, become `U+FFFD`.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A table: heads, and rows of as many cells. All of it is plain text.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
    };
    let head = cells("th", &mut heads.iter().copied());
    let body: String =
        rows.iter().map(|row| format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str)))).collect();
    format!("<div class=\"wide\"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n")
}

/// A drawing with a word for those who do not see it, and what it shows below it.
pub(super) fn figure(svg: &str, says: &str) -> String {
    let named = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(says));
    let svg = svg.replacen("<svg ", &named, 1);
    format!("<figure>{svg}<figcaption>{}</figcaption></figure>\n", escape(says))
}

/// A page with a title and a body that is HTML already.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// Plots are drawn black on white; what follows `dark` gives their colours another meaning there.
const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1a1a1a; --back: #ffffff; --dim: #5a5a5a; --line: #d5d5d5; --stripe: #f5f6f8; --alarm: #b00020; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p { max-width: 75ch; } .dim, figcaption { color: var(--dim); font-size: .9rem; }
.alarm { border: 2px solid var(--alarm); color: var(--alarm); padding: .6rem 1rem; border-radius: 6px; font-weight: 600; overflow-wrap: anywhere; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 470px), 1fr)); gap: 1rem; }
figure { margin: 0; } figure svg { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } tbody tr:nth-child(even) { background: var(--stripe); }
table.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
code { font-size: .85rem; overflow-wrap: anywhere; } details summary { cursor: pointer; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --back: #15171b; --dim: #a2a6ad; --line: #363a42; --stripe: #1c1f25; --alarm: #ff8a95; }
  svg [fill=\"#FFFFFF\"] { fill: #15171b; } svg [fill=\"#000000\"] { fill: #e6e6e6; } svg [stroke=\"#000000\"] { stroke: #e6e6e6; }
  svg [fill=\"#F7E8C8\"] { fill: #3b3220; }
  svg [fill=\"#0072B2\"] { fill: #56b4e9; } svg [stroke=\"#0072B2\"] { stroke: #56b4e9; }
  svg [fill=\"#C04A00\"] { fill: #ff9a57; } svg [stroke=\"#C04A00\"] { stroke: #ff9a57; }
  svg [fill=\"#00805C\"] { fill: #35c79b; } svg [stroke=\"#00805C\"] { stroke: #35c79b; }
}
@media print { main { max-width: none; } }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_markup() {
        assert_eq!(escape("<b> & \"x\" 'y'\u{1}\n"), "&lt;b&gt; &amp; &quot;x&quot; &#39;y&#39;\u{fffd}\n");
        let table = table(&["<a>"], &[vec!["</td><script>".to_owned()]]);
        assert!(
            table.contains("<th>&lt;a&gt;</th>") && table.contains("<td>&lt;/td&gt;&lt;script&gt;</td>"),
            "{table}"
        );
        assert!(
            figure("<svg x=\"1\"></svg>", "a \"b\"")
                .starts_with("<figure><svg role=\"img\" aria-label=\"a &quot;b&quot;\" x=\"1\">")
        );
    }
}
