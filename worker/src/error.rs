//! Everything a handler can fail with, and the one table that maps it to a status.

use std::borrow::Cow;

use http::StatusCode;
use veritable_domain::permission::Denial;
use veritable_domain::text::TextError;
use veritable_writer_api::message::Refusal;

/// A request that was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such thing; `what` names it for people.
    #[error("there is no such {what}")]
    NotFound {
        /// `topic`, `page`, ...
        what: Cow<'static, str>,
    },
    /// A part of the request is wrong; `where_` names the field, parameter or header.
    #[error("{where_}: {why}")]
    Invalid {
        /// Which part.
        where_: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The address exists, the method does not.
    #[error("this address does not take that method; it takes {allow}")]
    MethodNotAllowed {
        /// The methods it takes, as in the `Allow` header.
        allow: String,
    },
    /// The body is longer than the bound.
    #[error("the body is larger than {most} bytes")]
    TooLarge {
        /// The bound.
        most: usize,
    },
    /// The body is of a kind that nothing here reads.
    #[error("send the body as {takes}")]
    UnsupportedType {
        /// The media type that is read.
        takes: &'static str,
    },
    /// A page of another site asks for a change.
    #[error("this change was asked for by another site and was not made")]
    ForeignOrigin,
    /// Another page has it as a part, such as a picture.
    #[error("this is a page of your own and no part of another page")]
    Embedded,
    /// The form does not hold what this session's forms hold.
    #[error("this form is too old; go back, load its page again, and send it once more")]
    StaleForm,
    /// The browser sent no cookie by which the form would be known again.
    #[error(
        "your browser did not send back this site's cookie: allow cookies, or come by HTTPS (a site that is reached \
         by plain HTTP needs `accounts.plain_http`)"
    )]
    NoCookie,
    /// Too often.
    #[error("too many tries; wait {retry_seconds} seconds")]
    TooMany {
        /// Seconds after which it may be tried again.
        retry_seconds: u64,
    },
    /// No valid token or session.
    #[error("log in first")]
    Unauthorized,
    /// May not.
    #[error("{0}")]
    Denied(Denial),
    /// The writer said no.
    #[error("{0}")]
    Refused(Refusal),
    /// A change could not be made now; nothing of it is stored.
    #[error("{refusal}")]
    NotStored {
        /// Why.
        refusal: Refusal,
        /// The key it was sent under, as the client may send it again; `None` of one that it cannot send.
        key: Option<String>,
    },
    /// A change may or may not have been made. Sending it again under the same key is safe, and tells.
    #[error(
        "what became of this change is not known yet ({why}); {advice}",
        advice = if key.is_some() {
            "send it again with the Idempotency-Key of this answer: it is then done once, or you are told what came of it"
        } else {
            "look whether it was made before you send it again"
        }
    )]
    OutcomeUnknown {
        /// Why it is not known.
        why: String,
        /// The key it was sent under, as the client is to send it; `None` of one that it cannot send.
        key: Option<String>,
    },
    /// A read took longer than its deadline, or no reader was free in time.
    #[error("the server is too busy; try again soon")]
    Busy,
    /// The database could not be read.
    #[error("the database could not be read: {0}")]
    Database(#[from] rusqlite::Error),
    /// A bug; the message is logged, not shown.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Error::NotFound { .. } | Error::Refused(Refusal::NotFound { .. }) => StatusCode::NOT_FOUND,
            Error::Invalid { .. } => StatusCode::BAD_REQUEST,
            Error::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::UnsupportedType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::Unauthorized
            | Error::Denied(Denial::LoginRequired)
            | Error::Refused(Refusal::Denied(Denial::LoginRequired)) => StatusCode::UNAUTHORIZED,
            Error::Denied(Denial::Hidden) | Error::Refused(Refusal::Denied(Denial::Hidden)) => {
                StatusCode::NOT_FOUND
            }
            Error::Denied(_)
            | Error::Refused(Refusal::Denied(_) | Refusal::WrongCode)
            | Error::ForeignOrigin
            | Error::Embedded
            | Error::StaleForm
            | Error::NoCookie => StatusCode::FORBIDDEN,
            Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::Refused(
                Refusal::Conflict { .. }
                | Refusal::NameTaken
                | Refusal::AddressTaken
                | Refusal::LastAdministrator
                | Refusal::TooMany { .. }
                | Refusal::TitleTaken
                | Refusal::NoRoom { .. },
            ) => StatusCode::CONFLICT,
            Error::Refused(Refusal::LinkDead) => StatusCode::GONE,
            Error::Refused(Refusal::KeyReused) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Busy
            | Error::NotStored { .. }
            | Error::OutcomeUnknown { .. }
            | Error::Refused(
                Refusal::Busy | Refusal::Expired | Refusal::Storage { .. } | Refusal::Unknown { .. },
            ) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Refused(Refusal::Malformed { .. }) | Error::Database(_) | Error::Internal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        Error::Denied(denial)
    }
}

impl From<TextError> for Error {
    fn from(error: TextError) -> Self {
        let where_ = match &error {
            TextError::Empty { what }
            | TextError::TooLong { what, .. }
            | TextError::Wordless { what }
            | TextError::Mixed { what }
            | TextError::Malformed { what, .. }
            | TextError::Forbidden { what, .. } => *what,
        };
        Error::Invalid { where_, why: error.to_string() }
    }
}
