//! The API's document (OpenAPI 3.1), served at `/api/openapi.json`: made of the route table, which says what there is,
//! who may and which parameters count, and of what is said here of each entry. An address without an entry, and an entry
//! without an address, fail a test.

mod operations;
mod schemas;

use std::sync::LazyLock;

use http::Method;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, InfoBuilder, KnownFormat, OpenApi, PathItem, Ref, RefOr, Required, Schema,
    SchemaFormat,
};
use veritable_domain::tag::Tag;

use crate::answer::Answer;
use crate::error::Error;
use crate::routes::{Endpoint, View, table};
use operations::Operation;

/// What begins every address of the API.
const API: &str = "/api";
/// What an uploaded picture may be.
const PICTURES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];
/// The status of an answer without a body.
const NO_CONTENT: u16 = 204;
/// The document's own address.
pub(crate) const PATH: &str = "/api/openapi.json";

static DOCUMENT: LazyLock<Result<Vec<u8>, String>> =
    LazyLock::new(|| serde_json::to_vec(&document()).map_err(|error| error.to_string()));

/// Answers with the document.
///
/// # Errors
/// It cannot be written.
pub(crate) fn served(_view: &View<'_>) -> Result<Answer, Error> {
    let body = DOCUMENT.as_ref().map_err(|error| Error::Internal(error.clone()))?;
    Ok(Answer::json(body.clone(), vec![Tag::Site]))
}

fn document() -> OpenApi {
    let mut document = operations::with_schemas();
    document.info = InfoBuilder::new()
        .title("Veritable")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Forum and wiki. Errors are problem JSON (RFC 9457); lists go on at a cursor, `next`.",
        ))
        .build();
    let mut paths = PathsBuilder::new();
    for (pattern, endpoint) in table() {
        let known = operations::find(&endpoint.method(), pattern);
        if let Some(operation) = known.filter(|_| pattern.starts_with(API)) {
            let name = http_method(&endpoint.method());
            paths = paths.path(pattern, PathItem::new(name, described(pattern, &endpoint, operation)));
        }
    }
    document.paths = paths.build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
    );
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("__Host-session"))),
    );
    document
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn described(
    pattern: &'static str,
    endpoint: &Endpoint,
    operation: &Operation,
) -> utoipa::openapi::path::Operation {
    let mut described = OperationBuilder::new()
        .summary(Some(operation.summary))
        .operation_id(Some(id(&endpoint.method(), pattern)))
        .tag(pattern.split('/').nth(2).unwrap_or_default());
    for name in pattern.split('{').skip(1).filter_map(|part| part.split('}').next()) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(operations::part(name)));
        described = described.parameter(parameter);
    }
    let query = match endpoint {
        Endpoint::Read { query, .. } | Endpoint::Own { query, .. } => *query,
        _ => &[],
    };
    for name in query {
        let parameter = ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .schema(Some(operations::asked(name)));
        described = described.parameter(parameter);
    }
    let (mut problems, security) = match endpoint {
        Endpoint::Write { scope, .. } => {
            described = described.description(Some(format!("A token needs the scope `{}`.", scope.name())));
            let key = ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some("Sent again under the same key, a change is done once."))
                .schema(Some(text(1, 255)));
            described = described.parameter(key);
            if let Some(body) = operation.takes {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(body))).build();
                let needed = if operation.is_optional { Required::False } else { Required::True };
                let body =
                    RequestBodyBuilder::new().content("application/json", content).required(Some(needed));
                described = described.request_body(Some(body.build()));
            }
            (operations::OF_CHANGES.to_vec(), vec![needs("token"), needs("session")])
        }
        Endpoint::Upload { .. } => {
            let mut body = RequestBodyBuilder::new().required(Some(Required::True));
            for media in PICTURES {
                body = body.content(media, ContentBuilder::new().build());
            }
            let file = Object::builder()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
            let form = Object::builder().property("file", file.build()).required("file").build();
            let form = ContentBuilder::new().schema(Some(form)).build();
            body = body.content("multipart/form-data", form);
            described = described
                .description(Some("A token needs the scope `write`."))
                .request_body(Some(body.build()));
            (operations::OF_CHANGES.to_vec(), vec![needs("token"), needs("session")])
        }
        Endpoint::Own { scope, .. } => {
            if let Some(scope) = scope {
                described =
                    described.description(Some(format!("A token needs the scope `{}`.", scope.name())));
            }
            (operations::OF_OWN.to_vec(), vec![needs("token"), needs("session")])
        }
        _ if operation.is_shut => (operations::OF_OWN.to_vec(), vec![needs("token"), needs("session")]),
        _ => (operations::OF_READS.to_vec(), Vec::new()),
    };
    if pattern.contains('{') {
        problems.push((404, "There is no such thing, or it is hidden."));
    }
    for (status, said) in operation.tells {
        let schema: RefOr<Schema> = match operation.answers {
            "" => RefOr::T(Schema::Object(Object::with_type(Type::Object))),
            name => Ref::from_schema_name(name).into(),
        };
        let mut answer = ResponseBuilder::new().description(*said);
        if *status != NO_CONTENT {
            let content = ContentBuilder::new().schema(Some(schema)).build();
            answer = answer.content("application/json", content);
        }
        described = described.response(status.to_string(), answer.build());
    }
    if endpoint.method() == Method::GET {
        described = described.response("304", ResponseBuilder::new().description("As it was known.").build());
    }
    for (status, said) in problems {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let answer = ResponseBuilder::new().description(said).content("application/problem+json", content);
        described = described.response(status.to_string(), answer.build());
    }
    if security.is_empty() {
        // Read by everybody; who says who he is may see more.
        described = described.security(SecurityRequirement::default()).security(needs("token"));
    }
    for requirement in security {
        described = described.security(requirement);
    }
    described.build()
}

fn needs(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new::<&str, [&str; 0], &str>(scheme, [])
}

/// Such as `post_topics_id_posts`.
fn id(method: &Method, pattern: &str) -> String {
    let path = pattern.trim_start_matches(API).replace(['{', '}', '*'], "").replace(['/', '.'], "_");
    format!("{}{path}", method.as_str().to_lowercase())
}

fn text(least: usize, most: usize) -> RefOr<Schema> {
    let text = Object::builder().schema_type(Type::String).min_length(Some(least)).max_length(Some(most));
    RefOr::T(Schema::Object(text.build()))
}

fn whole(least: i64, most: i64) -> RefOr<Schema> {
    let number = Object::builder()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(least))
        .maximum(Some(most));
    RefOr::T(Schema::Object(number.build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_api_is_described_and_nothing_else() {
        let there: Vec<(Method, &str)> = table()
            .iter()
            .filter(|(pattern, _)| pattern.starts_with(API))
            .map(|(pattern, endpoint)| (endpoint.method(), *pattern))
            .collect();
        for (method, pattern) in &there {
            assert!(
                operations::find(method, pattern).is_some(),
                "{method} {pattern} is not in openapi/operations.rs"
            );
        }
        for operation in operations::ALL.iter().copied().flatten() {
            let of = (operation.method.clone(), operation.pattern);
            assert!(there.contains(&of), "{of:?} is described and not in the table");
        }
        let document = serde_json::to_value(document()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let methods: usize =
            document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
        assert_eq!(methods, there.len(), "each once");
        // Whatever is referred to is there.
        let text = document.to_string();
        for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
