//! What is said of a case in a cell, and of a whole run.

use crate::case::Stop;
use crate::clause::Level;

/// The verdict on one case in one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Pass,
    /// A MUST does not hold.
    Fail(Evidence),
    /// A SHOULD, a MAY or a custom does not hold.
    Deviates(Evidence),
    /// It does not hold, as the baseline says, which gives the reason.
    Known(Evidence, String),
    /// An optional feature is not there.
    Unsupported(String),
    /// A need is not met.
    Skipped(String),
    /// The harness could not ask.
    Broken(String),
}

/// Why something does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What the clause wants.
    pub expected: String,
    /// What came.
    pub actual: String,
}

impl Verdict {
    /// The verdict on how a case ended, by the level of what it decides.
    #[must_use]
    pub fn of(outcome: Result<(), Stop>, level: Level) -> Self {
        match outcome {
            Ok(()) => Self::Pass,
            Err(Stop::Unsupported(what)) => Self::Unsupported(what),
            Err(Stop::Skipped(what)) => Self::Skipped(what),
            Err(Stop::Broken(what)) => Self::Broken(what),
            Err(Stop::Fails { expected, actual }) => {
                let evidence = Evidence { expected, actual };
                if level == Level::Must { Self::Fail(evidence) } else { Self::Deviates(evidence) }
            }
        }
    }

    /// One word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Deviates(_) => "deviates",
            Self::Known(..) => "known",
            Self::Unsupported(_) => "unsupported",
            Self::Skipped(_) => "skipped",
            Self::Broken(_) => "broken",
        }
    }

    /// What is wrong, if something is.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Fail(evidence) | Self::Deviates(evidence) | Self::Known(evidence, _) => Some(evidence),
            Self::Pass | Self::Unsupported(_) | Self::Skipped(_) | Self::Broken(_) => None,
        }
    }

    /// The remark of a verdict that is neither good nor bad.
    #[must_use]
    pub fn remark(&self) -> Option<&str> {
        match self {
            Self::Unsupported(remark)
            | Self::Skipped(remark)
            | Self::Broken(remark)
            | Self::Known(_, remark) => Some(remark),
            Self::Pass | Self::Fail(_) | Self::Deviates(_) => None,
        }
    }
}
