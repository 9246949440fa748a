//! How the program ends: exit codes, and errors that say what to do next.

use std::fmt;
use std::process::ExitCode;

/// The exit codes of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well, or SIGTERM asked us to leave.
    Done,
    /// It did not work.
    Failure,
    /// The command line is wrong.
    Usage,
    /// A fault of the program itself.
    Internal,
    /// The configuration is wrong.
    Configuration,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Its number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Internal => 70,
            Self::Configuration => 78,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The exit code.
    pub(crate) exit: Exit,
    message: String,
    next: Option<String>,
}

impl Failed {
    /// A failure with its message.
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), next: None }
    }

    /// What failed, without what to do about it.
    pub(crate) fn first(&self) -> &str {
        &self.message
    }

    /// The same with a line that says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, next: impl fmt::Display) -> Self {
        self.next = Some(next.to_string());
        self
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.next {
            Some(next) => write!(f, "\n  {next}"),
            None => Ok(()),
        }
    }
}

impl From<tapeline::settings::Problems> for Failed {
    fn from(problems: tapeline::settings::Problems) -> Self {
        // The messages carry their place first, so that editors can jump there.
        Self::new(Exit::Configuration, problems)
    }
}
