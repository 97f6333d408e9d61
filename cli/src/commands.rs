//! The verbs: each asks the server, and writes what it says.

pub(crate) mod command;
pub(crate) mod completion;
pub(crate) mod feed;
pub(crate) mod replay;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod watch;

use sluice_api::client::Client;

use crate::access::{Access, Credentials};
use crate::args::{Args, Local, Notify, Remote, Verb};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Carries out a command line. `credentials` becomes what is known of the token, for a failure's advice.
pub(crate) async fn run(args: Args, output: &mut Output<'_>, credentials: &mut Credentials) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Local(Local::Replay { file, vectors }) => replay::run(&file, vectors, output),
        Verb::Local(Local::Completion { shell }) => completion::run(shell, output),
        Verb::Remote(verb) => {
            let access = Access::try_new(&args.global)?;
            *credentials = access.credentials;
            ask(&access.client, verb, output).await
        }
    }
}

async fn ask(client: &Client, verb: Remote, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match verb {
        Remote::Get { name: None, watch: false } => show::list(client, output).await,
        Remote::Get { name: None, watch: true } => watch::list(client, output).await,
        Remote::Get { name: Some(name), watch: false } => show::rollout(client, &name, output).await,
        Remote::Get { name: Some(name), watch: true } => watch::rollout(client, &name, output).await,
        Remote::Status { name, timeout } => status::run(client, &name, timeout, output).await,
        Remote::Analysis { name } => show::analysis(client, &name, output).await,
        Remote::History { name } => show::history(client, &name, output).await,
        Remote::Report(report) => show::report(client, report, output).await,
        Remote::Promote { target, full } => command::promote(client, target, full, output).await,
        Remote::Abort { target, reason } => command::abort(client, target, reason, output).await,
        Remote::Retry(target) => command::retry(client, target, output).await,
        Remote::Pause(target) => command::pause(client, target, output).await,
        Remote::Resume(target) => command::resume(client, target, output).await,
        Remote::Release { name, version, endpoints } => {
            command::release(client, &name, version, endpoints, output).await
        }
        Remote::Notify(Notify::Test { name }) => command::test_notification(client, &name, output).await,
        Remote::Weight { target, percent } => command::weight(client, target, percent, output).await,
    }
}
