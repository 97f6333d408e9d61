//! `get`, `analysis`, `history` and `report`: one look.

use sluice_api::client::Client;

use crate::args::Report;
use crate::exit::{Exit, Failure};
use crate::output::{Output, dora, history as past, list as table, tree};

pub(crate) async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let list = client.list().await?;
    if !output.document(&list)? {
        output.rows(table::lines(&list, output.shape().wide))?;
    }
    Ok(Exit::Done)
}

pub(crate) async fn rollout(client: &Client, name: &str, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let status = client.get(name).await?;
    if !output.document(&status)? {
        output.lines(&tree::lines(&status, output.shape()))?;
    }
    Ok(Exit::Done)
}

pub(crate) async fn analysis(client: &Client, name: &str, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let status = client.get(name).await?;
    if !output.document(&status.metrics)? {
        output.lines(&tree::analysis(&status, output.shape()))?;
    }
    Ok(Exit::Done)
}

pub(crate) async fn history(client: &Client, name: &str, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let history = client.history(name).await?;
    if !output.document(&history)? {
        output.rows(past::lines(&history, output.shape().wide))?;
    }
    Ok(Exit::Done)
}

pub(crate) async fn report(client: &Client, report: Report, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match report {
        Report::Dora { since, until } => {
            let report = client.dora(since.as_deref(), until.as_deref()).await?;
            if !output.document(&report)? {
                output.rows(dora::lines(&report, output.shape().wide))?;
            }
        }
    }
    Ok(Exit::Done)
}
