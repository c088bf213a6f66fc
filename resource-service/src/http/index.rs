//! `GET /`: the name of this service and its routes.

use actix_web::HttpResponse;
use serde::Serialize;

#[derive(Serialize)]
struct Index {
    service: &'static str,
    routes: [Route; 11],
}

#[derive(Serialize)]
struct Route {
    method: &'static str,
    path: &'static str,
    needs: &'static str,
}

const INDEX: Index = Index {
    service: "resource-service",
    routes: [
        route("GET", "/", "nothing"),
        route("GET", "/protected", "any valid token"),
        route("GET", "/records/{user_id}", "the owner, or role admin"),
        route("POST", "/records/{user_id}", "the owner, or role admin"),
        route("GET", "/books", "nothing"),
        route("GET", "/books/{id}/download", "scope books:download"),
        route("GET", "/comments", "nothing"),
        route("POST", "/comments", "any valid token"),
        route("GET", "/admin/report", "role admin"),
        route("GET", "/livez", "nothing"),
        route("GET", "/readyz", "nothing"),
    ],
};

const fn route(method: &'static str, path: &'static str, needs: &'static str) -> Route {
    Route { method, path, needs }
}

pub(super) async fn index() -> HttpResponse {
    HttpResponse::Ok().json(&INDEX)
}
