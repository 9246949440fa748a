//! The description of the interface, made from the routes themselves.

use std::sync::Arc;

use axum::Extension;
use axum::response::{IntoResponse as _, Response};
use http::header;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::actions::Order;
use super::refusal::ErrorBody;

/// What is not said by a route.
#[derive(OpenApi)]
#[openapi(
    info(title = "Tapeline", description = "Verified market data, shared between any number of consumers."),
    components(schemas(ErrorBody, Order))
)]
struct Frame;

/// The rendered description.
#[derive(Debug, Clone)]
pub(crate) struct Description(Arc<str>);

/// The description before the routes are added.
pub(crate) fn frame(version: &str) -> utoipa::openapi::OpenApi {
    let mut frame = Frame::openapi();
    frame.info.version = version.to_owned();
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("the admin token")).build();
    let components = frame.components.get_or_insert_default();
    components.add_security_scheme("admin", SecurityScheme::Http(bearer));
    frame
}

impl Description {
    pub(crate) fn new(described: &utoipa::openapi::OpenApi) -> Self {
        // Plain data with texts as keys: it can always be written.
        Self(described.to_json().unwrap_or_default().into())
    }
}

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "status",
    responses((status = 200, description = "OpenAPI, as JSON"))
)]
pub(crate) async fn openapi(Extension(description): Extension<Description>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description.0.to_string()).into_response()
}
