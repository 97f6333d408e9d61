//! Notifications: what happened to a rollout, told to Slack, Teams, PagerDuty or a webhook.
//!
//! The pilot writes a [`Notice`] into the rollout's [`Outbox`], which is stored together with the decision that it
//! tells, and hands it over once that state is on disk. Each destination has a queue and a task of its own, on a thread
//! of its own: a receiver that is slow, down or lying delays nobody else, and never a decision. What was delivered is
//! kept in a file beside the state, so a restart goes on where the last one ended.
//!
//! In order for each rollout, and once; a crash between a receiver's answer and our note of it tells again what
//! was not noted, under the same id. Secrets come from files, are read at each send, and are shown nowhere.

mod attempt;
mod backoff;
mod destination;
mod format;
mod notice;
mod notifier;
mod outbox;
mod positions;
mod queue;
mod service;
mod template;

pub use destination::{Channel, Destination, ReceiverUrl, Severity, Webhook};
pub use notice::{Kind, Notice, Tone};
pub use notifier::{Notifier, TestError};
pub use outbox::Outbox;
pub use template::{PLACEHOLDERS, Template, TemplateError};

#[cfg(test)]
mod tests;
