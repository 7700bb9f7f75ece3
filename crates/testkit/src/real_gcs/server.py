"""The emulator of Google Cloud Storage over a folder whose sub-folders are its buckets, for one test.

    server.py PORT FOLDER LOG

The emulator (gcp-storage-emulator) speaks Google's JSON interface. What it does not do, and a client must be tested
with, stands here, as Google's reference has it: tokens, conditions, pages, and uploads in parts.
"""

import hashlib
import http.server
import json
import os
import re
import sys
import urllib.parse
from functools import partial

from gcp_storage_emulator import server, storage
from gcp_storage_emulator.handlers import objects

PORT, FOLDER, LOG = int(sys.argv[1]), sys.argv[2], open(sys.argv[3], "a", buffering=1)
# Whose subject gets which token. The last is one that the store does not know.
TOKENS = {
    "subject-of-the-writer": "token-of-the-writer",
    "subject-of-the-reader": "token-of-the-reader",
    "subject-of-nobody": "token-of-nobody",
}
# Google's own bound is 1,000, of which a page may have fewer.
PAGE = 100


class Cut(Exception):
    """The client went away."""


class Shelf(storage.Storage):
    """What stands in the folder is what there is, whoever put it there.

    The emulator itself takes an object for there when it made it, and for unchanged.
    """

    def __init__(self):
        storage.STORAGE_DIR = ""
        self.stamps, self.uploads, self.page, self.next = {}, {}, None, None
        super().__init__(data_dir=FOLDER)

    def _write_config_to_file(self):
        pass

    # A backslash is a letter like others at Google; the emulator makes a slash of it.
    def _object_path(self, bucket_name, file_name):
        return f"{bucket_name}/{file_name}"

    def look(self):
        for bucket in os.listdir(FOLDER):
            base = os.path.join(FOLDER, bucket)
            if bucket.startswith("_") or not os.path.isdir(base):
                continue
            self.buckets.setdefault(bucket, {"softDeletePolicy": {"retentionDurationSeconds": "0"}})
            known, found = self.objects.get(bucket, {}), {}
            for folder, _, names in os.walk(base):
                for name in names:
                    path = os.path.join(folder, name)
                    key = os.path.relpath(path, base)
                    status = os.stat(path)
                    stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
                    if key not in known or self.stamps.get((bucket, key)) != stamp:
                        self.stamps[bucket, key] = stamp
                        known[key] = resource(bucket, key, self.get_file(bucket, key))
                    found[key] = known[key]
            self.objects[bucket] = found

    def get_file_list(self, *args, **kwargs):
        items, prefixes = super().get_file_list(*args, **kwargs)
        every = sorted([(item["name"], item) for item in items] + [(prefix, None) for prefix in prefixes])
        first = 0 if self.page is None else next(n for n, (name, _) in enumerate(every) if name == self.page)
        self.next = every[first + PAGE][0] if len(every) > first + PAGE else None
        every = every[first : first + PAGE]
        return [item for _, item in every if item], [name for name, item in every if not item]


def typed(base, bucket, key, kind, *args, make=objects._make_object_resource, **more):
    # Google takes what has no type for this one; the emulator says `null`.
    return make(base, bucket, key, kind or "application/octet-stream", *args, **more)


objects._make_object_resource = typed


def resource(bucket, key, content):
    made = typed(f"http://127.0.0.1:{PORT}", bucket, key, None, str(len(content)))
    return objects._checksums(content, made)


def norm(path):
    if ".." in path.split("/"):
        raise ValueError(path)
    return path.strip("/")


storage._FileStore._norm = staticmethod(norm)


# The emulator keeps what came of a request that was cut for all of it, and fails at one without content.
def whole(handler, read=server._read_raw_data):
    content = read(handler) or b""
    if len(content) != int(handler.headers.get("Content-Length") or len(content)):
        raise Cut()
    return content


server._read_raw_data = whole
read_data = server._read_data
server._read_data = lambda *args: read_data(*args) or b""


class Answer(server.Response):
    def json(self, obj):
        shelf = self._handler.storage
        if obj.get("kind") == "storage#objects" and shelf.next:
            obj["nextPageToken"] = shelf.next
        super().json(obj)


server.Response = Answer


class Door(server.Router):
    """Lets in who has a token, and knows what the emulator does not."""

    def handle(self, method):
        handler = self._request_handler
        path, _, query = handler.path.partition("?")
        query = urllib.parse.parse_qs(query, keep_blank_values=True)
        print(method, handler.path, file=LOG)
        shelf = handler.storage
        if path == "/token":
            return self.token(urllib.parse.parse_qs(whole(handler).decode()))
        token = handler.headers.get("Authorization", "")
        # Who knows the address of an upload may go on with it.
        if "upload_id" not in query:
            if token not in ("Bearer token-of-the-writer", "Bearer token-of-the-reader"):
                return self.refuse(401, "authError", "Invalid Credentials")
            if method != "GET" and token.endswith("-reader"):
                return self.refuse(403, "forbidden", "the reader does not have storage.objects.create access")
        shelf.look()
        if query.get("ifGenerationMatch") == ["0"]:
            bucket = re.match(r"/upload/storage/v1/b/([^/]+)/o$", path)[1]
            if query["name"][0] in shelf.objects.get(bucket, {}):
                return self.refuse(412, "conditionNotMet", "At least one of the pre-conditions did not hold.")
        if "uploads" in query or "uploadId" in query:
            bucket, key = (urllib.parse.unquote(part) for part in path[1:].split("/", 1))
            return self.parts(method, (bucket, key), query)
        shelf.page, shelf.next = query.get("pageToken", [None])[0], None
        return super().handle(method)

    def say(self, status, content=b"", headers=()):
        handler = self._request_handler
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def refuse(self, status, reason, message):
        whole(self._request_handler)
        error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
        self.say(status, json.dumps({"error": error}).encode())

    def token(self, form):
        token = TOKENS.get(form["subject_token"][0])
        if token is None:
            return self.say(400, b'{"error": "invalid_grant", "error_description": "who is that?"}')
        return self.say(200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600}).encode())

    def parts(self, method, place, query):
        """Uploads in parts, as Google's XML interface has them."""
        handler, shelf = self._request_handler, self._request_handler.storage
        content = whole(handler)
        if "uploads" in query:
            if place[0] not in shelf.buckets:
                return self.say(404, b"<Error><Code>NoSuchBucket</Code></Error>")
            name = f"upload/{len(shelf.uploads)}+"
            shelf.uploads[name] = (place, {})
            return self.say(200, f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>".encode())
        name = query["uploadId"][0]
        there, kept = shelf.uploads.get(name, (None, None))
        if there != place:
            return self.say(404, b"<Error><Code>NoSuchUpload</Code></Error>")
        if method == "PUT":
            tag = f'"{hashlib.md5(content).hexdigest()}"'
            kept[int(query["partNumber"][0])] = (tag, content)
            return self.say(200, headers=[("ETag", tag)])
        del shelf.uploads[name]
        if method == "DELETE":
            return self.say(204)
        text = content.decode().replace("&quot;", '"')
        named = re.findall(r"<Part>\s*<PartNumber>(\d+)</PartNumber>\s*<ETag>([^<]*)</ETag>\s*</Part>", text)
        numbers = [int(number) for number, _ in named]
        if numbers != sorted(kept) or any(kept[int(number)][0] != tag for number, tag in named):
            return self.say(400, b"<Error><Code>InvalidPart</Code></Error>")
        if any(len(kept[number][1]) < 5 << 20 for number in numbers[:-1]):
            return self.say(400, b"<Error><Code>EntityTooSmall</Code></Error>")
        joined = b"".join(kept[number][1] for number in numbers)
        shelf.create_file(*place, joined, resource(*place, joined))
        return self.say(200, b"<CompleteMultipartUploadResult><ETag>\"joined\"</ETag></CompleteMultipartUploadResult>")


server.Router = Door


class Server(http.server.HTTPServer):
    # The emulator's five would leave a client that sends much at once waiting for a second each time.
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (Cut, OSError)):
            super().handle_error(request, client_address)


Server(("127.0.0.1", PORT), partial(server.RequestHandler, Shelf())).serve_forever()
