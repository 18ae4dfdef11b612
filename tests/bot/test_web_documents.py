"""Documents over HTTP: in, found, changed, out; uploads of good and hostile files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from bot import doctor
from knowledge import jobs
from knowledge.load import CannotStart
from knowledge.versions import MAX_TEXT
from tests.fakes import ScriptedChat
from tests.knowledge.load_files import docx, zipped
from tests.loop.world import World, act, ask, put, serving, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("documents"), ScriptedChat(), upload_mb=1) as made:
        yield made


@pytest.fixture(scope="module")
def curator(shop: World) -> TestClient:
    return shop.client("carla")


def hits(client: TestClient, query: str, **more: Any) -> list[str]:
    response = client.post("/api/search", json={"query": query, **more})
    assert response.status_code == 200, response.text
    return [hit["document_id"] for hit in response.json()["hits"]]


def at(document_id: str) -> str:
    return f"/api/documents/{quote(document_id, safe='')}"


def test_document_is_searchable_when_the_call_returns(curator: TestClient) -> None:
    assert put(curator, "hours", "Hours", "The shop opens at nine.") == {"id": "hours", "version": 1, "remarks": []}
    assert hits(curator, "when does the shop open", k=1) == ["hours"]
    assert put(curator, "hours", "Hours", "The shop opens at nine.") == {"id": "hours", "version": 1, "remarks": []}
    assert put(curator, "hours", "Hours", "The museum closes at ten.") == {"id": "hours", "version": 2, "remarks": []}
    (hit,) = curator.post("/api/search", json={"query": "museum", "k": 1}).json()["hits"]
    assert (hit["passage"], hit["version"], hit["n"], hit["curated"]) == ("The museum closes at ten.", 2, 1, False)
    assert set(hit["stages"]) >= {"dense", "dense_rank", "keyword", "keyword_rank", "fused"}


def test_document_is_shown_with_its_versions(curator: TestClient) -> None:
    put(
        curator, "prices", "Prices", "Bread costs two euros.", source_url="https://example.org", metadata={"year": 2026}
    )
    put(curator, "prices", "New prices", "Bread costs three euros.")
    now, before = curator.get(at("prices")).json(), curator.get(f"{at('prices')}?version=1").json()
    assert [(version["version"], version["actor"], version["kind"]) for version in now["versions"]] == [
        (1, "carla", "source"),
        (2, "carla", "source"),
    ]
    assert (now["title"], now["text"], now["version"], now["url"]) == (
        "New prices",
        "Bread costs three euros.",
        2,
        None,
    )
    assert (before["title"], before["text"], before["version"]) == ("Prices", "Bread costs two euros.", 1)
    assert (before["url"], before["metadata"], before["current_version"]) == (
        "https://example.org",
        {"year": "2026"},
        2,
    )


def test_document_without_id_gets_one(curator: TestClient) -> None:
    ids = {curator.post("/api/documents", json={"title": "T", "text": "Words."}).json()["id"] for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    "document_id",
    [
        "a/b.md",
        "/etc/passwd",
        "a//b",
        "a/",
        "100%",
        "？",
        "文档/退货.md",
        "a b",
        "a#b",
        "a?b=c",
        "...",
        "a\\b",
        "x" * 500,
        "erratum-notes",
        "erratum-2026/notes.md",
    ],
)
def test_document_id_may_look_like_a_path(curator: TestClient, document_id: str) -> None:
    stored = put(curator, document_id, "T", f"Text of {document_id}")
    assert stored["id"] == document_id
    assert curator.get(at(document_id)).json()["id"] == document_id
    assert document_id in [line["id"] for line in curator.get("/api/documents?limit=500").json()["documents"]]
    assert curator.delete(at(document_id)).status_code == 204
    assert curator.delete(at(document_id)).status_code == 404
    assert curator.get(at(document_id)).json()["retired"] is True
    assert document_id not in hits(curator, f"Text of {document_id}", k=10)


def test_document_id_is_decoded_once(tmp_path: Path) -> None:
    """Over a real connection: the client of the other tests decodes twice."""
    with world(tmp_path, ScriptedChat()) as own, serving(own.app) as address:
        cookies = {"errata_session": own.client("carla").cookies["errata_session"]}
        with httpx.Client(base_url=address, cookies=cookies) as client:
            for document_id in ("a%2Fb", "a/b", "100%25"):
                body = {"id": document_id, "title": "T", "text": f"Text of {document_id}"}
                assert client.post("/api/documents", json=body).status_code == 201
                assert client.get(at(document_id)).json()["text"] == f"Text of {document_id}"


@pytest.mark.parametrize(
    "document_id", ["", " ", "\u3000", "..", ".", "a/../b", "a/.", "erratum-1", "a\x00b", "a\nb", "x" * 501, "\u202eb"]
)
def test_document_id_that_cannot_be_named_is_refused(curator: TestClient, document_id: str) -> None:
    refused = curator.post("/api/documents", json={"id": document_id, "title": "T", "text": "Words."})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"


def test_erratum_is_not_changed_by_hand(shop: World, curator: TestClient) -> None:
    asked = ask(curator, "Is there a car park?")
    rated = curator.post(f"/api/answers/{asked['answer_id']}/feedback", json={"rating": "down"}).json()
    curator.put(f"/api/corrections/{rated['correction_id']}/draft", json={"answer": "Yes."})
    act(curator, rated["correction_id"], "approve")
    erratum = f"erratum-{rated['correction_id']}"
    assert curator.get(at(erratum)).json()["kind"] == "erratum"
    refused = curator.delete(at(erratum))
    assert (refused.status_code, "roll back" in refused.json()["detail"]) == (422, True)
    assert ask(shop.client(), "Is there a car park?")["status"] == "curated"


def test_too_long_a_text_is_refused(curator: TestClient) -> None:
    body = b'{"title": "T", "text": "' + b"x" * (MAX_TEXT + 1) + b'"}'
    refused = curator.post("/api/documents", content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["detail"]) == (
        422,
        f"text: String should have at most {MAX_TEXT} characters",
    )
    body = b'{"title": "T", "text": "' + b"x" * 64_000_000 + b'"}'
    refused = curator.post("/api/documents", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 413


def test_filters_find_by_metadata_language_and_source(curator: TestClient) -> None:
    put(
        curator, "en-a", "A", "Penguins live in Antarctica.", metadata={"topic": "birds", "checked": True, "year": 2025}
    )
    put(curator, "en-b", "B", "Penguins are also a biscuit.", metadata={"topic": "food", "checked": False})
    put(curator, "zh-a", "甲", "企鹅生活在南极洲。", metadata={"topic": "birds"})
    assert set(hits(curator, "penguins", k=10, filters={"topic": "birds"})) == {"en-a", "zh-a"}
    assert hits(curator, "penguins", k=10, filters={"topic": "birds", "checked": "true"}) == ["en-a"]
    assert hits(curator, "penguins", k=10, filters={"year": "2025"}) == ["en-a"]
    assert hits(curator, "企鹅", k=10, filters={"topic": "birds"}, language="zh") == ["zh-a"]
    assert hits(curator, "penguins", k=10, filters={"document_id": "en-b"}) == ["en-b"]
    assert hits(curator, "penguins", k=10, filters={"topic": "cars"}) == []
    assert hits(curator, "penguins", k=10, filters={'a"b': "x"}) == []


def test_listing_searches_ids_and_titles_literally(curator: TestClient) -> None:
    put(curator, "list-100%", "Per cent", "Words.")
    put(curator, "list-100x", "No sign", "Words.")
    put(curator, "list_a", "Under_score", "Words.")

    def ids(query: str) -> list[str]:
        page = curator.get("/api/documents", params={"q": query, "limit": 500}).json()
        assert page["total"] == len(page["documents"])
        return [line["id"] for line in page["documents"]]

    assert ids("t-100%") == ["list-100%"]
    assert ids("list_") == ["list_a"]
    assert ids("er_sc") == ["list_a"]
    assert ids("list\\") == []
    assert ids("list-") == ["list-100%", "list-100x"]
    page = curator.get("/api/documents", params={"q": "list", "limit": 1, "offset": 1}).json()
    assert ([line["id"] for line in page["documents"]], page["total"]) == (["list-100x"], 3)


def upload(client: TestClient, *files: tuple[str, bytes], language: str = "en", **fields: str) -> Any:
    parts = [("files", (name, content)) for name, content in files]
    return client.post("/api/documents", files=parts, data=fields, headers={"Accept-Language": language})


def done(shop: World, client: TestClient, response: Any) -> dict[str, dict[str, Any]]:
    """The files of an upload's job, after it ran."""
    assert response.status_code == 202, response.text
    job_id = response.json()["job"]["id"]
    assert client.get(f"/api/jobs/{job_id}").json()["state"] == "queued"
    shop.work()
    job = client.get(f"/api/jobs/{job_id}").json()
    assert (job["state"], job["done"], job["total"]) == ("done", len(job["files"]), len(job["files"]))
    return {file["name"]: file for file in job["files"]}


def test_uploads_of_several_formats_end_indexed_or_rejected_with_a_reason(shop: World, curator: TestClient) -> None:
    bomb = docx("<w:p><w:r><w:t>" + "A" * 30_000_000 + "</w:t></w:r></w:p>")
    assert len(bomb) < 1_000_000
    files = done(
        shop,
        curator,
        upload(
            curator,
            ("notes.md", b"# Notes\n\nThe owl hunts at night."),
            ("gb.txt", "猫头鹰在夜里捕猎。老鼠很害怕，所以它们白天出门，晚上躲在洞里。".encode("gb18030")),
            ("page.html", b"<html><body><article><p>The falcon hunts by day.</p></article></body></html>"),
            ("rows.csv", b"question,answer\nWho hunts?,The owl.\nWho hides?,The mouse.\n"),
            ("letter.docx", docx("<w:p><w:r><w:t>The heron stands still.</w:t></w:r></w:p>")),
            ("bomb.docx", bomb),
            ("broken.pdf", b"%PDF-1.7 nonsense"),
            ("empty.txt", b""),
            ("program.exe", b"MZ"),
            ("noname", b"text without a suffix"),
            ("..", b"dots"),
            ("../../evil.md", b"# Evil\n\nI climbed."),
            ("a\\b\\win.md", b"# Windows\n\nI was on drive C."),
        ),
    )
    states = {name: file["state"] for name, file in files.items()}
    assert states == {
        "notes.md": "indexed",
        "gb.txt": "indexed",
        "page.html": "indexed",
        "rows.csv": "indexed",
        "letter.docx": "indexed",
        "bomb.docx": "rejected",
        "broken.pdf": "rejected",
        "empty.txt": "rejected",
        "program.exe": "rejected",
        "noname": "rejected",
        "file": "rejected",
        "evil.md": "indexed",
        "win.md": "indexed",
    }
    assert all(file["reason"] for file in files.values() if file["state"] == "rejected")
    assert files["notes.md"]["document_id"] == "upload/notes.md"
    assert hits(curator, "猫头鹰什么时候捕猎", k=1) == ["upload/gb.txt"]
    assert hits(curator, "heron stands still", k=1) == ["upload/letter.docx"]
    assert list(shop.parts.settings.uploads.iterdir()) == []


def test_uploads_again_are_unchanged_or_rejected_until_asked_to_replace(shop: World, curator: TestClient) -> None:
    done(shop, curator, upload(curator, ("again.md", b"# Boats\n\nOnce."), ("other.md", b"The same.")))
    first = upload(curator, ("again.md", b"# Bikes\n\nTwice."), ("other.md", b"The same."))
    files = done(shop, curator, first)
    assert {name: (file["state"], file["version"], file["replaces"]) for name, file in files.items()} == {
        "again.md": ("rejected", None, "upload/again.md"),
        "other.md": ("unchanged", 1, None),
    }
    job = curator.get(f"/api/jobs/{first.json()['job']['id']}", headers={"Accept-Language": "zh-CN"}).json()
    assert files["again.md"]["reason"] == "It would replace a document that has another text: upload/again.md (Boats)."
    assert job["files"][0]["reason"] == "会覆盖一份内容不同的文档：upload/again.md（Boats）。"
    assert curator.get(at("upload/again.md")).json()["text"] == "# Boats\n\nOnce."
    for value, state in (("false", "rejected"), ("true", "indexed")):
        files = done(shop, curator, upload(curator, ("again.md", b"# Bikes\n\nTwice."), replace=value))
        assert files["again.md"]["state"] == state
    assert curator.get(at("upload/again.md")).json()["text"] == "# Bikes\n\nTwice."


def test_a_retired_document_is_brought_back(shop: World, curator: TestClient) -> None:
    put(curator, "gone", "Gone", "The lighthouse is painted red.")
    assert curator.delete(at("gone")).status_code == 204
    shown = curator.get(at("gone")).json()
    assert (shown["retired"], shown["retired_by"]) == (True, "carla")
    back = curator.post(f"{at('gone')}/restore")
    assert (back.status_code, back.json()) == (200, {"id": "gone", "version": 1})
    assert hits(curator, "which colour has the lighthouse", k=1) == ["gone"]
    shown = curator.get(at("gone")).json()
    assert (shown["retired"], shown["retired_by"]) == (False, None)
    assert curator.post(f"{at('never')}/restore").status_code == 404
    assert shop.client().post(f"{at('gone')}/restore").status_code in (401, 403)


@pytest.mark.parametrize(
    "name", ["a\x01b.md", "x" * 600 + ".md", "退货 规定.md", 'a"b.md', "a.m\u0000d", "CON.md", ".md"]
)
def test_file_names_are_never_a_crash(shop: World, curator: TestClient, name: str) -> None:
    answer = upload(curator, (name, b"Some words."))
    assert answer.status_code in (202, 400, 422)
    shop.work()
    assert list(shop.parts.settings.uploads.iterdir()) == []


def test_of_two_files_of_one_name_the_first_is_taken_in(shop: World, curator: TestClient) -> None:
    response = upload(curator, ("a/same.md", b"One."), ("b/same.md", b"Two."), replace="true")
    shop.work()
    files = curator.get(f"/api/jobs/{response.json()['job']['id']}").json()["files"]
    assert [(file["name"], file["state"]) for file in files] == [("same.md", "indexed"), ("same.md", "rejected")]
    assert files[1]["reason"].startswith("Another file of this upload is named same.md")
    assert curator.get(at("upload/same.md")).json()["text"] == "One."


TOO_MANY = "The upload cannot be read: Too many files. Maximum number of files is 1000. (At most 1,000 files.)"


def test_upload_limits(shop: World, curator: TestClient) -> None:
    large = upload(curator, ("large.txt", b"x" * 1_000_001))
    assert (large.status_code, large.json()["detail"]) == (413, "The request is larger than 1,000,000 bytes.")
    many = upload(curator, *((f"{number}.md", b"x") for number in range(1_001)))
    assert (many.status_code, many.json()["detail"]) == (400, TOO_MANY)
    none = curator.post("/api/documents", files={"other": ("a.md", b"x")})
    assert (none.status_code, none.json()["detail"]) == (422, "The upload has no part named files.")
    text = curator.post("/api/documents", data={"files": "text"}, files={"x": ("a", b"")})
    assert text.status_code == 422
    assert shop.work() == 0


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=", b"--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="files"; filename="a'),
        ("multipart/mixed; boundary=x", b"--x--"),
        ("MULTIPART/FORM-DATA; boundary=x", b"--x--\r\n"),
    ],
)
def test_damaged_uploads_are_refused(curator: TestClient, kind: str, body: bytes) -> None:
    refused = curator.post("/api/documents", content=body, headers={"Content-Type": kind})
    assert refused.status_code in (400, 415, 422)
    assert refused.headers["content-type"] == "application/problem+json"


CANNOT_START = "CannotStart: The process that reads files could not be started: there is no memory."


def test_an_error_that_nobody_wrote_for_people_is_general_in_chinese(shop: World, curator: TestClient) -> None:
    with shop.parts.database.write() as session:
        job = jobs.enqueue(session, "other", {}, actor="carla")
        job.state, job_id = "running", job.id
        session.flush()
        assert jobs.fail(session, job, "ZeroDivisionError: division by zero")
    texts = [
        curator.get(f"/api/jobs/{job_id}", headers={"Accept-Language": language}).json()["error"]
        for language in ("en", "zh-CN")
    ]
    with shop.parts.database.write() as session:
        jobs.get(session, job_id).state = "done"
    assert texts == ["ZeroDivisionError: division by zero", f"未能完成。原因见服务器日志（任务 {job_id}）。"]


def test_upload_whose_job_is_given_up_keeps_its_files_and_reports_where(
    shop: World, curator: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise CannotStart("The process that reads files could not be started: {problem}.", code="reader_not_started",
                          problem="there is no memory")  # fmt: skip

    monkeypatch.setattr("knowledge.uploads._ingest_file", broken)
    job_id = upload(curator, ("lost.md", b"Lost.")).json()["job"]["id"]
    for _ in range(jobs.MAX_FAILURES):
        assert len(list(shop.parts.settings.uploads.iterdir())) == 1
        assert shop.work() == 1
        with shop.parts.database.write() as session:
            session.execute(sa.text("update jobs set run_after = '2020-01-01 00:00:00.000000'"))
    job = curator.get(f"/api/jobs/{job_id}").json()
    (kept,) = shop.parts.settings.uploads.iterdir()
    assert (job["state"], [path.read_bytes() for path in kept.iterdir()]) == ("failed", [b"Lost."])
    assert job["error"].startswith(f"{CANNOT_START} Its files are kept until 20")
    assert f"uploads/{kept.name}" in job["error"]
    assert (job["error_code"], job["error_values"]) == ("reader_not_started", {"problem": "there is no memory"})
    chinese = curator.get(f"/api/jobs/{job_id}", headers={"Accept-Language": "zh-CN"}).json()["error"]
    start = "无法启动读取文件的进程。原因见服务器日志。文件保留到 20"
    end = f"（UTC），位于数据文件夹的 uploads/{kept.name}。"
    assert (chinese[: len(start)], chinese[-len(end) :]) == (start, end)
    assert f"uploads/{kept.name}" in doctor.jobs(shop.parts).what
    assert shop.parts.recover()["uploads"] == 0
    assert kept.exists()
    with shop.parts.database.write() as session:
        session.execute(
            sa.text("update jobs set finished_at = datetime('now', '-8 days') where id = :id"), {"id": job_id}
        )
    assert shop.parts.recover()["uploads"] == 1
    assert not kept.exists()
    assert curator.get(f"/api/jobs/{job_id}").json()["error"] == CANNOT_START


def test_start_removes_the_files_of_uploads_that_nobody_reads_any_more(shop: World, curator: TestClient) -> None:
    """Of a server that ended while it kept them, or between a job's end and theirs."""
    job_id = upload(curator, ("kept.md", b"Kept.")).json()["job"]["id"]
    (waiting,) = shop.parts.settings.uploads.iterdir()
    left = shop.parts.settings.uploads / "0123456789abcdef"
    left.mkdir()
    (left / "0.md").write_text("Left.")
    assert shop.parts.recover()["uploads"] == 1
    assert list(shop.parts.settings.uploads.iterdir()) == [waiting]
    shop.work()
    assert curator.get(f"/api/jobs/{job_id}").json()["files"][0]["state"] == "indexed"


def test_job_is_seen_by_every_curator(shop: World, curator: TestClient) -> None:
    job_id = upload(curator, ("seen.md", b"Seen.")).json()["job"]["id"]
    assert shop.client("ada").get(f"/api/jobs/{job_id}").status_code == 200
    shop.work()


def test_upload_that_cannot_be_kept_leaves_nothing(shop: World, curator: TestClient, tmp_path: Path) -> None:
    before = shop.parts.settings
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    shop.parts.settings = before.model_copy(update={"data": blocked})
    try:
        assert upload(curator, ("a.md", b"A.")).status_code == 500
    finally:
        shop.parts.settings = before
    assert shop.work() == 0


def test_zip_of_members_that_are_no_document_is_rejected(shop: World, curator: TestClient) -> None:
    files = done(shop, curator, upload(curator, ("x.xlsx", zipped({"../../evil": "x"}))))
    assert files["x.xlsx"]["state"] == "rejected"


def test_a_text_that_hides_something_is_kept_and_remarked_upon(shop: World, curator: TestClient) -> None:
    text = "Parcels take \u202e03\u202c days.\U000e0041"
    added = put(curator, "parcels", "Par\u2066cels", text, metadata={"by": "a\u2067"})
    (remark,) = added["remarks"]
    assert remark.startswith("It has characters that nobody sees: U+202C POP DIRECTIONAL FORMATTING (1), U+202E RIGHT-")
    assert remark.endswith("They are stored and shown as marks; search and the chat model do not get them.")
    assert all(code in remark for code in ("U+2066", "U+2067", "U+E0041 TAG LATIN CAPITAL LETTER A (1)"))
    shown = curator.get(at("parcels"), headers={"Accept-Language": "zh-CN"}).json()
    assert (shown["title"], shown["text"], shown["metadata"]) == ("Par\u2066cels", text, {"by": "a\u2067"})
    assert shown["remarks"][0].startswith("含有看不见的字符：U+202C POP DIRECTIONAL FORMATTING (1)")
    files = done(shop, curator, upload(curator, ("parcels.md", text.encode()), ("pl\u202ein.md", b"Plain.")))
    assert files["parcels.md"]["state"] == "indexed"
    assert [sentence.partition(":")[0] for sentence in files["parcels.md"]["remarks"]] == [
        "It has characters that nobody sees"
    ]
    assert files["pl\u202ein.md"]["state"] == "rejected"
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in files["pl\u202ein.md"]["reason"]
