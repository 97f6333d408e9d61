//! The section of RESULTS.md.

use sluice_benches::peers::{Kind, Peer};
use sluice_benches::series::cell;
use sluice_benches::{machine, results};

use crate::figures::{Figure, Figures};
use crate::measure::Bench;

/// Two tables, what they were measured with, and where.
pub(crate) fn text(figures: &Figures, peers: &[Peer], bench: &Bench<'_>, rounds: usize) -> String {
    format!(
        "{}\n\n{}\n\nMedian (min–max) of {rounds} interleaved rounds:\n\n{}\n{}",
        machine::description(),
        conditions(peers, bench),
        absolute(figures, peers, bench.rate),
        ratios(figures, peers, bench.rate),
    )
}

fn conditions(peers: &[Peer], bench: &Bench<'_>) -> String {
    let versions: Vec<String> = peers.iter().map(|peer| format!("{} {}", peer.kind.label(), peer.version)).collect();
    format!(
        "{}; {}. {} connections, 64-byte answers, every peer on core 0, load and backend together on core 1, \
         {} s a measurement; 10 % of the requests to the canary (the relay only knows stable).",
        versions.join(", "),
        machine::rustc(),
        bench.connections,
        bench.duration.as_secs_f64(),
    )
}

fn absolute(figures: &Figures, peers: &[Peer], rate: f64) -> String {
    let kinds: Vec<Kind> = peers.iter().map(|peer| peer.kind).collect();
    let rows: Vec<Vec<String>> = Figure::ALL
        .into_iter()
        .map(|figure| row(figure.label(rate), &kinds, |kind| cell(figures.get(figure, kind))))
        .collect();
    results::table(&head("", &kinds), &rows)
}

fn ratios(figures: &Figures, peers: &[Peer], rate: f64) -> String {
    let kinds: Vec<Kind> = peers.iter().map(|peer| peer.kind).filter(|&kind| kind != Kind::Sluice).collect();
    if kinds.len() == peers.len() {
        return "Sluice was not measured: no ratios.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = Figure::COMPARED
        .into_iter()
        .map(|figure| row(figure.label(rate), &kinds, |kind| cell(figures.ratio(figure, kind).as_ref())))
        .collect();
    let table = results::table(&head("Sluice divided by", &kinds), &rows);
    format!("Ratios, formed within each round:\n\n{table}")
}

fn head(first: &str, kinds: &[Kind]) -> Vec<String> {
    let labels = kinds.iter().map(|kind| kind.label().to_owned());
    std::iter::once(first.to_owned()).chain(labels).collect()
}

fn row(label: String, kinds: &[Kind], value: impl Fn(Kind) -> String) -> Vec<String> {
    std::iter::once(label).chain(kinds.iter().map(|&kind| value(kind))).collect()
}
