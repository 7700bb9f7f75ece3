// Azurite over a folder whose sub-folders are its containers, for one test.
//
//     node server.js PACKAGES PORT INNER_PORT FOLDER STATE
//
// Azurite speaks the interface of Azure Blob Storage and keeps what it holds in files of its own. What a test must be able to see and to
// change stands in FOLDER: before a request what changed there is told to Azurite, and after one that changed something it is
// written there. STATE/log has the methods and paths that came; STATE/refuse.json, where a test writes it, what is refused and how.

"use strict";
const [, , PACKAGES, PORT, INNER, FOLDER, STATE] = process.argv;
const { createHmac } = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const ACCOUNT = "devstoreaccount1";
const KEY = fs.readFileSync(path.join(STATE, "key"), "utf8").trim();
const azurite = (file) => require(path.join(PACKAGES, "node_modules/azurite/dist/src", file));
process.env.AZURITE_ACCOUNTS = `${ACCOUNT}:${KEY}`;
process.argv = process.argv.slice(0, 2).concat([
    "--blobHost", "127.0.0.1", "--blobPort", INNER, "--location", path.join(STATE, "azurite"), "--silent", "--disableTelemetry",
]);

// Signs as "Authorize with Shared Key" of Azure's reference has it.
function signed(method, where, headers, length) {
    const all = { ...headers, "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-08-06" };
    const url = new URL(where, "http://127.0.0.1");
    const ours = Object.keys(all).sort().map((name) => `${name}:${all[name]}\n`).join("");
    const asked = [...url.searchParams].sort().map(([name, value]) => `\n${name}:${value}`).join("");
    const text = `${method}\n\n\n${length || ""}\n\n\n\n\n\n\n\n\n${ours}/${ACCOUNT}${url.pathname}${asked}`;
    const proof = createHmac("sha256", Buffer.from(KEY, "base64")).update(text, "utf8").digest("base64");
    return { ...all, authorization: `SharedKey ${ACCOUNT}:${proof}`, "content-length": length };
}

function passed(method, where, headers, body) {
    return new Promise((answered, failed) => {
        const request = http.request({ host: "127.0.0.1", port: INNER, method, path: where, headers, agent }, (answer) => {
            const pieces = [];
            answer.on("data", (piece) => pieces.push(piece));
            answer.on("error", failed);
            answer.on("end", () => answered({ answer, body: Buffer.concat(pieces) }));
        });
        request.on("error", failed);
        request.end(body);
    });
}
const agent = new http.Agent({ keepAlive: true });

async function ours(method, where, headers = {}, body = Buffer.alloc(0)) {
    const done = await passed(method, where, signed(method, where, headers, body.length), body);
    const mayBeAbsent = method === "GET" || method === "DELETE";
    if (done.answer.statusCode >= 300 && !(mayBeAbsent && done.answer.statusCode === 404)) {
        throw new Error(`${method} ${where}: ${done.answer.statusCode} ${done.body}`);
    }
    return done;
}

const place = (key) => `/${ACCOUNT}/` + key.split("/").map(encodeURIComponent).join("/");
const file = (key) => path.join(FOLDER, ...key.split("/"));
// What stands in FOLDER as Azurite knows it: size, time and inode by key.
const known = new Map();
const containers = new Set();

function stamp(at) {
    const status = fs.lstatSync(at, { bigint: true });
    return `${status.size} ${status.mtimeNs} ${status.ino}`;
}

function found(folder, prefix, into) {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
        const [at, key] = [path.join(folder, entry.name), `${prefix}/${entry.name}`];
        if (entry.isDirectory()) found(at, key, into);
        else if (entry.isFile()) into.set(key, stamp(at));
    }
}

async function look() {
    const there = new Map();
    for (const name of fs.readdirSync(FOLDER)) {
        if (!containers.has(name)) {
            await ours("PUT", `/${ACCOUNT}/${name}?restype=container`);
            containers.add(name);
        }
        found(path.join(FOLDER, name), name, there);
    }
    for (const name of [...containers].filter((name) => !fs.existsSync(path.join(FOLDER, name)))) {
        await ours("DELETE", `/${ACCOUNT}/${name}?restype=container`);
        containers.delete(name);
    }
    for (const [key, seen] of there) {
        if (known.get(key) === seen) continue;
        await ours("PUT", place(key), { "x-ms-blob-type": "BlockBlob" }, fs.readFileSync(file(key)));
        known.set(key, seen);
    }
    for (const key of [...known.keys()].filter((key) => !there.has(key))) {
        await ours("DELETE", place(key));
        known.delete(key);
    }
}

// Writes what Azurite holds under a key; what it does not hold goes away.
async function shown(key) {
    const { answer, body } = await ours("GET", place(key));
    if (answer.statusCode === 404) {
        fs.rmSync(file(key), { force: true });
        known.delete(key);
        return;
    }
    // Beside the folder, and so on its file system.
    const fresh = `${FOLDER}.fresh`;
    fs.writeFileSync(fresh, body);
    fs.mkdirSync(path.dirname(file(key)), { recursive: true });
    fs.renameSync(fresh, file(key));
    known.set(key, stamp(file(key)));
}

// The keys that a request changed.
function changed(method, url, body) {
    const comp = url.searchParams.get("comp");
    const key = decodeURIComponent(url.pathname).replace(`/${ACCOUNT}/`, "");
    if (comp === "batch") {
        const parts = body.toString().matchAll(/^DELETE (\S+) HTTP/gm);
        return [...parts].map((part) => decodeURIComponent(part[1].split("?")[0]).replace(`/${ACCOUNT}/`, ""));
    }
    const writes = method === "DELETE" || (method === "PUT" && [null, "blocklist"].includes(comp));
    return writes && key.includes("/") ? [key] : [];
}

// What a test wants refused: `{"match": "PUT .*comp=block", "times": 2, "status": 503, "code": "ServerBusy", "retry_after": 1}`, or
// with "cut" after how many bytes the answer ends.
let [rules, rulesSeen] = [[], ""];
function refusal(what) {
    const at = path.join(STATE, "refuse.json");
    if (!fs.existsSync(at)) return null;
    if (stamp(at) !== rulesSeen) [rulesSeen, rules] = [stamp(at), JSON.parse(fs.readFileSync(at))];
    const rule = rules.find((rule) => rule.times > 0 && new RegExp(rule.match).test(what));
    if (rule) rule.times -= 1;
    return rule;
}

function refuse(response, rule) {
    const headers = { "x-ms-error-code": rule.code, "content-type": "application/xml" };
    if (rule.retry_after) headers["retry-after"] = rule.retry_after;
    response.writeHead(rule.status, headers);
    response.end(`<?xml version="1.0" encoding="utf-8"?><Error><Code>${rule.code}</Code><Message>as the test wants it</Message></Error>`);
}

async function handle(request, body, response) {
    const what = `${request.method} ${request.url}`;
    const condition = request.headers["if-none-match"] ? " if-none-match" : "";
    fs.appendFileSync(path.join(STATE, "log"), `${what}${condition}\n`);
    const rule = refusal(what);
    if (rule && rule.status) return refuse(response, rule);
    await look();
    const { answer, body: said } = await passed(request.method, request.url, request.headers, body);
    // Azure has another word for a key that it does not know than for one that may not.
    const isStrange = said.includes("failed to authenticate") || request.method === "HEAD";
    if (answer.statusCode === 403 && isStrange) {
        return refuse(response, { status: 403, code: "AuthenticationFailed" });
    }
    if (answer.statusCode < 300) {
        for (const key of changed(request.method, new URL(request.url, "http://127.0.0.1"), body)) await shown(key);
    }
    response.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
    if (rule) {
        response.write(said.subarray(0, rule.cut), () => response.destroy());
        return;
    }
    response.end(said);
}

// One after the other, so that what is told and what is written belong together.
let last = Promise.resolve();
const door = http.createServer({ requestTimeout: 0 }, (request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("error", () => {});
    // What was cut under way came to nothing.
    request.on("end", () => {
        last = last.then(() => handle(request, Buffer.concat(pieces), response)).catch((error) => {
            // What goes wrong here is no failure of a network: the test ends by it.
            fs.appendFileSync(path.join(STATE, "failed"), `${error.stack}\n`);
            response.destroy();
        });
    });
});

async function main() {
    // Azure's own bound is 5,000, of which a page may have fewer.
    azurite("blob/utils/constants.js").DEFAULT_LIST_BLOBS_MAX_RESULTS = 100;
    const { BlobServerFactory } = azurite("blob/BlobServerFactory.js");
    const server = await new BlobServerFactory().createServer();
    await server.start();
    await look();
    door.listen(Number(PORT), "127.0.0.1", 1024);
}
process.on("SIGTERM", () => process.exit(0));
main().catch((error) => {
    console.error(error);
    process.exit(1);
});
