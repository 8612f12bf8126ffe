//! Which calls of the module to PC/SC fail, and how: a plan for [`super::FakePcsc`], and the list of the calls made.

use std::ops::Range;

use super::super::module::pcsc::Error;

/// A call of PC/SC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// All readers and what is in them.
    Survey,
    /// What is in one reader.
    Insertion,
    /// A connection to a card.
    Connect,
    /// Is the connection alive?
    IsAlive,
    /// Power for the card.
    PowerUp,
    /// A reset of the card.
    Reset,
    /// A transaction begins.
    Begin,
    /// A command and its answer.
    Transmit,
    /// A transaction ends.
    End,
    /// A connection ends.
    Disconnect,
    /// Something to wait for events with.
    Watch,
    /// A wait for events.
    Wait,
}

/// How a call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the caller gets.
    pub error: Error,
    /// What was asked for has happened all the same: only the answer is lost.
    pub happened: bool,
}

impl Failure {
    /// The call fails, and nothing happens.
    pub fn of(error: Error) -> Failure {
        Failure {
            error,
            happened: false,
        }
    }

    /// What was asked for happens, and the answer is lost.
    pub fn lost(error: Error) -> Failure {
        Failure {
            error,
            happened: true,
        }
    }
}

/// The calls so far, and the failures to come.
#[derive(Debug, Default)]
pub struct Failures {
    calls: Vec<Call>,
    plan: Vec<(Range<usize>, Failure)>,
    commands: Vec<(Vec<u8>, Failure)>,
}

impl Failures {
    /// The calls since the last [`Failures::clear`].
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Forgets the calls and the plan.
    pub fn clear(&mut self) {
        *self = Failures::default();
    }

    /// The next `times` calls after the next `skipped` ones fail.
    pub fn add(&mut self, skipped: usize, times: usize, failure: Failure) {
        let begin = self.calls.len() + skipped;
        self.plan
            .push((begin..begin.saturating_add(times), failure));
    }

    /// The next command that begins so fails.
    pub fn add_command(&mut self, start: &[u8], failure: Failure) {
        self.commands.push((start.to_vec(), failure));
    }

    /// Counts a call. `Some`: it fails.
    pub fn count(&mut self, call: Call) -> Option<Failure> {
        let number = self.calls.len();
        self.calls.push(call);
        self.due(number)
    }

    /// Counts the call that sends a command.
    pub fn count_command(&mut self, command: &[u8]) -> Option<Failure> {
        let planned = self.count(Call::Transmit);
        let mut commands = self.commands.iter();
        let own = commands.position(|(start, _)| command.starts_with(start));
        own.map(|index| self.commands.remove(index).1).or(planned)
    }

    /// Would the next call fail?
    pub fn next_fails(&self) -> bool {
        self.due(self.calls.len()).is_some()
    }

    fn due(&self, number: usize) -> Option<Failure> {
        let due = self.plan.iter().find(|(range, _)| range.contains(&number));
        due.map(|(_, failure)| failure.clone())
    }
}
