//! The report to hand on: one page without anything from elsewhere, with a filter, cells and transcripts.

use std::fmt::Write;

use crate::clause::requirement;
use crate::report::{Summary, summaries};
use crate::runner::Record;
use crate::verdict::Verdict;

/// Text as HTML shows it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The whole page.
#[must_use]
pub fn report(target: &str, records: &[Record]) -> String {
    let summaries = summaries(records);
    let count = |word: &str| summaries.iter().filter(|summary| summary.worst().word() == word).count();
    let words = ["pass", "fail", "deviates", "known", "unsupported", "skipped", "broken"];
    let mut figures = String::new();
    for word in words {
        let _infallible = write!(
            figures,
            "<label class=\"{word}\"><input type=\"checkbox\" value=\"{word}\" checked> {} {word}</label> ",
            count(word)
        );
    }
    let mut body = String::new();
    let mut group = "";
    for summary in &summaries {
        if summary.group != group {
            group = summary.group;
            let _infallible = write!(body, "<h2>{}</h2>", escape(group));
        }
        row(summary, &mut body);
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>FTP conformance of {name}</title><style>{STYLE}</style>\
         <header><h1>FTP conformance of {name}</h1><p>{cases} cases in {cells} cells</p>\
         <input id=\"search\" type=\"search\" placeholder=\"id, clause or words\" aria-label=\"search\"><p>{figures}</p></header>\
         <main>{body}</main><script>{SCRIPT}</script></html>\n",
        name = escape(target),
        cases = summaries.len(),
        cells = records.len(),
    )
}

fn row(summary: &Summary<'_>, out: &mut String) {
    let known = requirement(summary.id);
    let clause = known.map(crate::clause::Requirement::clause).unwrap_or_default();
    let statement = known.map(|requirement| requirement.statement.as_str()).unwrap_or_default();
    let check = known.map(|requirement| requirement.check.as_str()).unwrap_or_default();
    let word = summary.worst().word();
    let _infallible = write!(
        out,
        "<details class=\"case {word}\" data-verdict=\"{word}\"><summary><b>{word}</b> <code>{}</code> <i>{}</i> {}</summary>\
         <p class=\"clause\">{}. {}</p><div class=\"cells\">",
        summary.id,
        summary.level,
        escape(statement),
        escape(&clause),
        escape(check)
    );
    for record in &summary.records {
        let _infallible = write!(
            out,
            "<span class=\"{}\">{}</span> ",
            record.verdict.word(),
            escape(&record.task.cell.to_string())
        );
    }
    out.push_str("</div>");
    for record in &summary.records {
        match &record.verdict {
            Verdict::Fail(evidence) | Verdict::Deviates(evidence) | Verdict::Known(evidence, _) => {
                let _infallible = write!(
                    out,
                    "<section><h3>{}</h3><p>expected: {}<br>actual: {}</p><pre>{}</pre></section>",
                    escape(&record.task.cell.to_string()),
                    escape(&evidence.expected),
                    escape(&evidence.actual),
                    escape(&evidence.transcript.join("\n"))
                );
            }
            Verdict::Broken(why) | Verdict::Skipped(why) | Verdict::Unsupported(why) => {
                let _infallible =
                    write!(out, "<p>{}: {}</p>", escape(&record.task.cell.to_string()), escape(why));
            }
            Verdict::Pass => {}
        }
    }
    out.push_str("</details>");
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#ddd,#444);--good:light-dark(#176b2c,#7bd88f);--bad:light-dark(#b00020,#ff8a8a);\
--warn:light-dark(#8a5a00,#f0c060);--dim:light-dark(#666,#999)}\
body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:1rem}h1{font-size:1.4rem;margin:0}\
h2{font-size:1.05rem;margin:1.6rem 0 .4rem;border-bottom:1px solid var(--line)}h3{font-size:.95rem;margin:.8rem 0 .2rem}\
input[type=search]{width:100%;padding:.5rem;font:inherit;box-sizing:border-box}\
label{margin-right:.8rem;white-space:nowrap}.case{padding:.25rem 0;overflow-wrap:anywhere}.case summary{cursor:pointer}\
.case i{color:var(--dim);font-style:normal;font-size:.85em}.clause{color:var(--dim)}b,.cells span,label{color:var(--dim)}\
.pass>summary b,span.pass,label.pass{color:var(--good)}.fail>summary b,span.fail,label.fail,.broken>summary b,span.broken,label.broken{color:var(--bad)}\
.deviates>summary b,span.deviates,label.deviates{color:var(--warn)}.cells span{display:inline-block;margin:0 .6rem .2rem 0;font-size:.85em}\
pre{overflow-x:auto;padding:.6rem;border:1px solid var(--line);font-size:.85em}";

const SCRIPT: &str = "\
const search=document.getElementById('search'),boxes=[...document.querySelectorAll('header input[type=checkbox]')];\
function apply(){const text=search.value.toLowerCase(),on=new Set(boxes.filter(b=>b.checked).map(b=>b.value));\
for(const c of document.querySelectorAll('.case'))c.hidden=!on.has(c.dataset.verdict)||!c.textContent.toLowerCase().includes(text)}\
search.addEventListener('input',apply);boxes.forEach(b=>b.addEventListener('change',apply));";
