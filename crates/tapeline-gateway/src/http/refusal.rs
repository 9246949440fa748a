//! Errors of the HTTP face: `{"error":{"code","message"}}` with a status that says whose fault it is.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use tapeline::{NoTarget, OrderError, SubscribeError};
use tapeline_core::data::topic::TopicError;

use crate::codes::Code;
use crate::server::Full;

/// A request that is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// What it is, for programs.
    pub(crate) code: Code,
    /// What it is and what to do about it, for people.
    pub(crate) message: String,
}

/// How an error looks in the description of the interface.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorDetail {
    /// For programs.
    code: String,
    /// For people.
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// Malformed, or not understood.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::BadRequest, message)
    }

    /// There is no such thing.
    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, message)
    }

    /// Too many connections.
    pub(crate) fn full(full: Full, limit: usize) -> Self {
        match full {
            Full::House => {
                let message =
                    format!("{limit} connections are open, and more are not allowed; try again later");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Connections, message)
            }
            Full::Descriptors => {
                let message = format!(
                    "the last {limit} file descriptors are kept for lines and files; try again later"
                );
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Descriptors, message)
            }
            Full::Address => {
                let message = format!(
                    "your address has {limit} connections, and more are not allowed; close some first"
                );
                Self::new(StatusCode::TOO_MANY_REQUESTS, Code::ConnectionsPerIp, message)
            }
        }
    }

    /// Nobody answers inside.
    pub(crate) fn stuck() -> Self {
        let message = "the state could not be read in time; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message)
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }
}

impl From<QueryRejection> for Refusal {
    fn from(error: QueryRejection) -> Self {
        Self::bad(format!("what stands behind `?` cannot be read: {}", error.body_text()))
    }
}

impl From<TopicError> for Refusal {
    fn from(error: TopicError) -> Self {
        let code = Code::from(&error);
        let status = match code {
            Code::NotOffered | Code::UnknownVenue => StatusCode::NOT_FOUND,
            Code::Limit => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        let code = Code::from(&error);
        match error {
            SubscribeError::Topic(error) => error.into(),
            SubscribeError::Timeout(_) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, code, format!("{error}; try again, or stream it"))
            }
            SubscribeError::NotRunning { .. } => Self::missing(error.to_string()),
            error => Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string()),
        }
    }
}

impl From<NoTarget> for Refusal {
    fn from(error: NoTarget) -> Self {
        match error {
            NoTarget::Topic(error) => error.into(),
            NoTarget::Form(_) => Self::bad(error.to_string()),
        }
    }
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Feed(error) => error.into(),
            OrderError::Stuck { .. } => Self::stuck(),
            OrderError::NotOfLine | OrderError::NotOfTopic { .. } => Self::bad(error.to_string()),
            OrderError::NoVenue { .. } | OrderError::NoLine { .. } | OrderError::NoTopic(_) => {
                Self::missing(error.to_string())
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
