import re

import httpx


def test_the_page_and_all_that_it_names_are_served(http: httpx.Client) -> None:
    page = http.get("/")

    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:href|src)="(/[^"]+)"', page.text)
    assert {http.get(path).status_code for path in named} == {200}
    assert len(named) == 3


def test_the_page_runs_nothing_but_its_own_script(http: httpx.Client) -> None:
    page = http.get("/")

    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]+src=)|<style|\son\w+=|\sstyle=", page.text)


def test_nothing_else_in_the_folder_is_served(http: httpx.Client) -> None:
    for path in ("/web/index.html", "/web/", "/web/..%2fmain.py", "/web/%2e%2e/main.py"):
        assert http.get(path).status_code == 404
