//! `completion`: the script for a shell.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::args::Args;
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(shell: Shell, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "sluice", &mut script);
    output.raw(&script).map(|()| Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_verbs() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            run(shell, &mut Output::plain(&mut script, Format::Table)).unwrap();
            assert!(String::from_utf8(script).unwrap().contains("promote"), "{shell}");
        }
    }
}
