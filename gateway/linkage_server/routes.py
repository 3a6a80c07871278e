"""The paths of the linkage server, by slice."""

from __future__ import annotations

from aiohttp import web

from gateway.api import client_routes, oauth
from gateway.linkage_server import jobs, log_routes, notices
from gateway.linkage_server.access import routes as access_routes
from gateway.linkage_server.addressees import routes as addressee_routes
from gateway.linkage_server.backups import routes as backup_routes
from gateway.linkage_server.bulk_inquiries import routes as bulk_routes
from gateway.linkage_server.business_information import routes as business_routes
from gateway.linkage_server.business_information.runs import routes as business_run_routes
from gateway.linkage_server.code_requests import routes as code_routes
from gateway.linkage_server.inquiry_desk import routes as desk_routes
from gateway.linkage_server.people import routes as people_routes
from gateway.linkage_server.people import to_come
from gateway.linkage_server.pushes import routes as push_routes
from gateway.linkage_server.resident_look_ups import routes as look_up_routes
from gateway.linkage_server.review import routes as review_routes
from gateway.linkage_server.search import routes as search_routes
from transport import openapi


def add_routes(app: web.Application) -> None:
    """All paths of docs/openapi/linkage.yaml."""
    oauth.add_routes(app)
    client_routes.add_routes(app)
    openapi.add_route(app, "linkage")
    backup_routes.add_routes(app)
    app.router.add_post("/v1/addressees", addressee_routes.post_addressees)
    app.router.add_post("/v1/person-changes", people_routes.post_person_changes)
    app.router.add_post("/v1/person-changes/to-come", to_come.post_changes_to_come)
    app.router.add_post("/v1/persons/as-of", people_routes.post_persons_as_of)
    app.router.add_post("/v1/persons/history", people_routes.post_persons_history)
    app.router.add_post("/v1/inquiries", desk_routes.post_inquiries)
    app.router.add_post("/v1/inquiry-results", desk_routes.post_inquiry_results)
    app.router.add_post("/v1/inquiry-files/status", bulk_routes.post_status)
    app.router.add_post("/v1/code-requests", code_routes.post_code_requests)
    app.router.add_post("/v1/code-requests/report", code_routes.post_report)
    app.router.add_post("/v1/code-requests/replace", code_routes.post_replace)
    app.router.add_post("/v1/code-requests/cancel", code_routes.post_cancel)
    access_routes.add_routes(app)
    jobs.add_routes(app)
    push_routes.add_routes(app)
    review_routes.add_routes(app)
    look_up_routes.add_routes(app)
    app.router.add_post("/v1/persons/search", search_routes.post_persons_search)
    app.router.add_get("/v1/log", log_routes.get_log)
    app.router.add_get("/v1/notices", notices.get_notices)
    app.router.add_post("/v1/log/search", log_routes.post_log_search)
    app.router.add_get("/v1/code-requests", code_routes.get_code_requests)
    app.router.add_post("/v1/business-information", business_routes.post_business_information)
    app.router.add_post("/v1/business-information/search", business_routes.post_search)
    app.router.add_get("/v1/business-information/first-transfers", business_routes.get_first_transfers)
    app.router.add_post("/v1/business-information/transfers", business_run_routes.post_transfers)
    app.router.add_post("/v1/business-information/comparisons", business_run_routes.post_comparisons)
    app.router.add_get("/v1/business-systems/left", business_run_routes.get_systems_left)
    app.router.add_post("/v1/business-systems/compare", business_run_routes.post_compare_left)
    app.router.add_post("/v1/business-systems/withdraw", business_run_routes.post_withdraw_left)
    app.router.add_post("/v1/business-information/copies", business_run_routes.post_copies)
    app.router.add_get("/v1/business-information/runs", business_run_routes.get_runs)
    app.router.add_get("/v1/business-information/run-report", business_run_routes.get_run_report)
