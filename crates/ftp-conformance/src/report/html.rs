//! The report to hand on: one page without anything from elsewhere. Documents are a tree, each case has a matrix of
//! its cells, and behind each verdict stands a dialogue.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::axes::{Cell, Family, Security};
use crate::clause::requirement;
use crate::registry;
use crate::report::{Summary, WORDS, summaries};
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
    let mut figures = String::new();
    for word in WORDS {
        let count = summaries.iter().filter(|summary| summary.worst().word() == word).count();
        let _infallible = write!(
            figures,
            "<label class=\"{word}\"><input type=\"checkbox\" value=\"{word}\" checked> {count} {word}</label> "
        );
    }
    let mut body = String::new();
    for cases in summaries.chunk_by(|one, next| one.group == next.group) {
        group(cases, &mut body);
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>FTP conformance of {name}</title><style>{STYLE}</style>\
         <header><h1>FTP conformance of {name}</h1><p>{cases} cases in {cells} cells; {account}.</p>\
         <input id=\"search\" type=\"search\" placeholder=\"id, clause or words\" aria-label=\"search\"><p>{figures}</p>\
         <p><button type=\"button\" id=\"open\">open all</button> <button type=\"button\" id=\"close\">close all</button></p></header>\
         <main>{body}</main><script>{SCRIPT}</script></html>\n",
        name = escape(target),
        cases = summaries.len(),
        cells = records.len(),
        account = registry::account(),
    )
}

/// The cases of one document, open if something is wrong with one.
fn group(cases: &[Summary<'_>], out: &mut String) {
    let Some(first) = cases.first() else { return };
    let held = cases.iter().filter(|case| *case.worst() == Verdict::Pass).count();
    let wrong = cases
        .iter()
        .any(|case| case.worst().evidence().is_some() || matches!(case.worst(), Verdict::Broken(_)));
    let open = if wrong { " open" } else { "" };
    let _infallible = write!(
        out,
        "<details class=\"group\"{open}><summary><h2>{}</h2> <i>{held} of {}</i></summary>",
        escape(first.group),
        cases.len()
    );
    cases.iter().for_each(|case| row(case, out));
    out.push_str("</details>");
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
         <p class=\"clause\">{}. {}</p>",
        summary.id,
        summary.level,
        escape(statement),
        escape(&clause),
        escape(check)
    );
    matrix(summary, out);
    dialogues(summary, out);
    out.push_str("</details>");
}

/// The profile of a cell: a row of the matrix.
fn profile(cell: Cell) -> String {
    let family = if cell.family == Family::V6 { " IPv6" } else { "" };
    match cell.security {
        Security::Plain => format!("{}{family}", cell.security),
        Security::Explicit | Security::Implicit => format!("{} {}{family}", cell.security, cell.version),
    }
}

/// What else makes a cell: a column of the matrix.
fn column(cell: Cell) -> String {
    let more = [
        cell.way.map(|way| way.to_string()),
        cell.ticket.map(|ticket| ticket.to_string()),
        cell.end.map(|end| end.to_string()),
    ];
    let words: Vec<String> =
        std::iter::once(cell.data.to_string()).chain(more.into_iter().flatten()).collect();
    words.join(" ")
}

fn matrix(summary: &Summary<'_>, out: &mut String) {
    let cells = || summary.records.iter().map(|record| record.task.cell);
    let rows: BTreeSet<String> = cells().map(profile).collect();
    let columns: BTreeSet<String> = cells().map(column).collect();
    out.push_str("<div class=\"wide\"><table><tr><th></th>");
    columns.iter().for_each(|column| {
        let _infallible = write!(out, "<th>{}</th>", escape(column));
    });
    for row in &rows {
        let _infallible = write!(out, "</tr><tr><th>{}</th>", escape(row));
        for name in &columns {
            let found = summary
                .records
                .iter()
                .find(|record| profile(record.task.cell) == *row && column(record.task.cell) == *name);
            match found {
                Some(record) => {
                    let (word, remark) = (record.verdict.word(), record.verdict.remark().unwrap_or_default());
                    let _infallible =
                        write!(out, "<td class=\"{word}\" title=\"{}\">{word}</td>", escape(remark));
                }
                None => out.push_str("<td></td>"),
            }
        }
    }
    out.push_str("</tr></table></div>");
}

/// The dialogue of every cell that does not hold, and of one for each other verdict.
fn dialogues(summary: &Summary<'_>, out: &mut String) {
    let mut shown: Vec<&str> = Vec::new();
    for record in &summary.records {
        let word = record.verdict.word();
        let evidence = record.verdict.evidence();
        if evidence.is_none() && shown.contains(&word) {
            continue;
        }
        shown.push(word);
        let _infallible =
            write!(out, "<section><h3>{word} in {}</h3>", escape(&record.task.cell.to_string()));
        if let Some(evidence) = evidence {
            let (expected, actual) = (escape(&evidence.expected), escape(&evidence.actual));
            let _infallible = write!(out, "<p>expected: {expected}<br>actual: {actual}</p>");
        }
        if let Some(remark) = record.verdict.remark() {
            let _infallible = write!(out, "<p>{}</p>", escape(remark));
        }
        if !record.transcript.is_empty() {
            let _infallible = write!(out, "<pre>{}</pre>", escape(&record.transcript.join("\n")));
        }
        out.push_str("</section>");
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#ddd,#444);--good:light-dark(#176b2c,#7bd88f);--bad:light-dark(#b00020,#ff8a8a);\
--warn:light-dark(#8a5a00,#f0c060);--dim:light-dark(#5f5f5f,#a0a0a0);--back:light-dark(#fff,#161616);--text:light-dark(#111,#eee)}\
body{font:15px/1.45 system-ui,sans-serif;max-width:75rem;margin:0 auto;padding:1rem;background:var(--back);color:var(--text)}\
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:0;display:inline}h3{font-size:.95rem;margin:.8rem 0 .2rem}\
input[type=search]{width:100%;padding:.5rem;font:inherit;box-sizing:border-box}button{font:inherit}\
.group{margin:.5rem 0;border-top:1px solid var(--line);padding-top:.5rem}summary{cursor:pointer}\
label{margin-right:.8rem;white-space:nowrap}.case{padding:.25rem 0 .25rem 1rem;overflow-wrap:anywhere}\
i{color:var(--dim);font-style:normal;font-size:.85em}.clause{color:var(--dim)}b,label,td{color:var(--dim)}\
.pass>summary b,td.pass,label.pass{color:var(--good)}.fail>summary b,td.fail,label.fail,.broken>summary b,td.broken,label.broken{color:var(--bad);font-weight:bold}\
.deviates>summary b,td.deviates,label.deviates,.known>summary b,td.known,label.known{color:var(--warn)}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.8em}th,td{border:1px solid var(--line);padding:.15rem .4rem;white-space:nowrap}\
th{font-weight:normal;color:var(--dim);text-align:left}pre{overflow-x:auto;padding:.6rem;border:1px solid var(--line);font-size:.85em}\
section{margin-left:.5rem}@media(max-width:40rem){body{padding:.5rem}.case{padding-left:.3rem}code{font-size:.8em}}";

const SCRIPT: &str = "\
const search=document.getElementById('search'),boxes=[...document.querySelectorAll('header input[type=checkbox]')],\
groups=[...document.querySelectorAll('.group')];\
function apply(){const text=search.value.toLowerCase(),on=new Set(boxes.filter(b=>b.checked).map(b=>b.value));\
for(const g of groups){let any=false;for(const c of g.querySelectorAll('.case')){\
const show=on.has(c.dataset.verdict)&&c.textContent.toLowerCase().includes(text);c.hidden=!show;any=any||show}\
g.hidden=!any;if(text)g.open=any}}\
search.addEventListener('input',apply);boxes.forEach(b=>b.addEventListener('change',apply));\
document.getElementById('open').onclick=()=>groups.forEach(g=>g.open=true);\
document.getElementById('close').onclick=()=>groups.forEach(g=>g.open=false);";
