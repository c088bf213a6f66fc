"""The table of scripts/structure: reads the Rust files of a checkout, whose folder is its argument.

Comments and the contents of strings are blanked first; functions and modules are then found by counting braces. Product
code is what is in `src` of a crate without what is built for tests alone: files and folders named `tests`, and items
under `#[cfg(test)]`.
"""

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

CRATES = ["shared-claims", "service-kit", "auth-service", "resource-service"]


class Source:
    """A file: its text, the same with comments and strings blanked, and which lines are comments or tests."""

    def __init__(self, path):
        self.path = path
        self.text = path.read_text()
        self.code, self.comments = blank(self.text)
        self.lines = self.code.split("\n")
        self.is_test = "tests" in path.parts or path.name == "tests.rs"
        self.test_spans = [] if self.is_test else list(spans_for_tests(self.code))

    def in_test(self, line):
        return self.is_test or any(start <= line <= end for start, end in self.test_spans)

    def code_lines(self, tests):
        """Lines that have code, in tests or outside."""
        numbered = enumerate(self.lines, 1)
        return sum(1 for number, line in numbered if line.strip() and self.in_test(number) == tests)

    def comment_lines(self, doc):
        found = [line for line, is_doc in self.comments if is_doc == doc and not self.in_test(line)]
        return len(set(found))

    def functions(self):
        """Name, first line and length of each function with a body, outside tests."""
        for match in re.finditer(r"\bfn\s+(\w+)", self.code):
            line = line_of(self.code, match.start())
            end = end_of_item(self.code, match.end())
            if end is not None and not self.in_test(line):
                yield match[1], line, line_of(self.code, end) - line + 1


def blank(text):
    """The text with comments and the insides of strings as spaces; and the comments as pairs of line and `is doc`."""
    token = re.compile(
        r"""(?P<line>//[^\n]*)|(?P<block>/\*)|(?P<raw>\bb?r(?P<hashes>\#*)")|(?P<string>b?")"""
        r"""|(?P<char>'(?:\\(?:[^u]|u\{[0-9a-fA-F]+\})[^']*|[^\\'\n])')"""
    )
    out, comments, at = [], [], 0
    while match := token.search(text, at):
        out.append(text[at : match.start()])
        end = match.end()
        if match["block"]:
            depth = 1
            while depth and (step := re.compile(r"/\*|\*/").search(text, end)):
                depth += 1 if step[0] == "/*" else -1
                end = step.end()
        elif match["raw"]:
            end = text.index('"' + match["hashes"], end) + 1 + len(match["hashes"])
        elif match["string"]:
            end = re.compile(r'(?:[^"\\]|\\.)*"', re.S).match(text, end).end()
        piece = text[match.start() : end]
        if match["line"] or match["block"]:
            is_doc = bool(re.match(r"///(?!/)|//!|/\*\*|/\*!", piece))
            first = line_of(text, match.start())
            comments += [(first + more, is_doc) for more in range(piece.count("\n") + 1)]
            out.append(re.sub(r"[^\n]", " ", piece))
        else:
            out.append('"' + re.sub(r"[^\n]", "_", piece[1:-1]) + '"')
        at = end
    out.append(text[at:])
    return "".join(out), comments


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def end_of_item(code, at):
    """Where the braces close that open next, or None where a semicolon comes first."""
    depth = round_depth = 0
    for index in range(at, len(code)):
        char = code[index]
        if char in "([":
            round_depth += 1
        elif char in ")]":
            round_depth -= 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return index
        elif char == ";" and depth == 0 and round_depth == 0:
            return None
    return None


def spans_for_tests(code):
    """First and last lines of items under `#[cfg(test)]`."""
    for match in re.finditer(r"#\[cfg\((?:all\()?test\b[^\]]*\]", code):
        end = end_of_item(code, match.end())
        if end is None:
            end = code.index(";", match.end())
        yield line_of(code, match.start()), line_of(code, end)


def handlers(sources):
    """Lengths of the functions that a route table names, as `module::function` behind a method."""
    rooms = [source for source in sources if "/http/" in source.path.as_posix()]
    named = set()
    for source in rooms:
        for call in re.findall(r"\.(?:get|post|put|patch|delete)\(([\w:]+::\w+)\)", source.code):
            named.add(tuple(call.split("::")[-2:]))
    for source in rooms:
        module = source.path.parent.name if source.path.name == "mod.rs" else source.path.stem
        for name, _, length in source.functions():
            if (module, name) in named:
                yield length


def import_cycles(root, sources):
    """Groups of files of a crate that import each other, by the `use` of product code. What a module gives on of its own
    submodules (`pub use`) is no import."""
    modules = {module_of(root, source.path): source for source in sources}
    edges = {name: set() for name in modules}
    for name, source in modules.items():
        for match in re.finditer(r"^[ ]*(pub(?:\([^)]*\))? )?use ([^;]+);", source.code, re.M):
            if source.in_test(line_of(source.code, match.start())):
                continue
            for path in expand(re.sub(r"\s+", " ", match[2])):
                target = resolve(name, path, modules)
                gives_on = match[1] and target and target[: len(name)] == name
                if target is not None and target != name and not gives_on:
                    edges[name].add(target)
    return [group for group in strong_components(edges) if len(group) > 1]


def module_of(root, path):
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[-1] in ("mod", "lib", "main"):
        parts.pop()
    return tuple(parts)


def expand(tree):
    """`a::{b, c::d}` as `a::b` and `a::c::d`."""
    tree = tree.strip()
    if "{" not in tree:
        return [re.sub(r" as \w+$", "", tree)]
    head, rest = tree.split("{", 1)
    inner, depth, parts, part = rest[: rest.rindex("}")], 0, [], ""
    for char in inner:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    return [path for part in parts + [part] if part.strip() for path in expand(head + part.strip())]


def resolve(name, path, modules):
    """The file in which a path of a `use` ends; None for another crate."""
    parts = [part.strip() for part in path.split("::")]
    if parts[0] == "crate":
        at, parts = (), parts[1:]
    elif parts[0] in ("self", "super"):
        at = name
        while parts and parts[0] in ("self", "super"):
            at = at[:-1] if parts[0] == "super" else at
            parts = parts[1:]
    elif name + (parts[0],) in modules:
        at = name
    else:
        return None
    for part in parts:
        if at + (part,) not in modules:
            break
        at += (part,)
    return at if at in modules else None


def strong_components(edges):
    """Tarjan's, by a stack of its own."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for target in edges[node]:
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in on_stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
                on_stack.discard(group[-1])
            found.append(group)

    sys.setrecursionlimit(10_000)
    for node in edges:
        if node not in index:
            visit(node)
    return found


def tuples(source):
    """How often product code binds, takes and gives tuples: `let (a, b) =`, `name: (A, B)`, `-> (A, B)`."""
    patterns = {
        "bindings": r"\blet (?:mut )?\((?=[^()]*,)",
        "parameters": r"[(,]\s*(?:mut )?(?:\w+|\([^()]*\)): \((?=[^()]*,)",
        "results": r"-> (?:Result<|Option<)?\((?=[^()]*,)",
    }
    return {
        kind: sum(1 for match in re.finditer(pattern, source.code) if not source.in_test(line_of(source.code, match.start())))
        for kind, pattern in patterns.items()
    }


def spread(lengths):
    lengths = sorted(lengths)
    if not lengths:
        return "none"
    tenth = lengths[min(len(lengths) - 1, len(lengths) * 9 // 10)]
    return f"{statistics.median(lengths):g} / {tenth} / {lengths[-1]}   ({len(lengths)})"


def ratio(some, others):
    return f"{some / others:.2f}   ({some} : {others})" if others else "none"


def test_programs(folder):
    """How many test programs each crate has, as cargo sees it."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path", folder / "Cargo.toml"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["packages"]
    return {package["name"]: sum("test" in target["kind"] for target in package["targets"]) for package in packages}


def main():
    folder = Path(sys.argv[1]).resolve()
    source_of, outside = {}, {}
    for crate in CRATES:
        source_of[crate] = [Source(path) for path in sorted((folder / crate / "src").rglob("*.rs"))]
        outside[crate] = [Source(path) for path in sorted((folder / crate / "tests").rglob("*.rs"))]
    product = [source for crate in CRATES for source in source_of[crate] if not source.is_test]
    rows = [
        ("product files, lines: median / p90 / max", spread(source.text.count("\n") for source in product)),
        ("test files, lines", spread(source.text.count("\n") for crate in CRATES for source in outside[crate])),
        ("functions, lines", spread(length for source in product for _, _, length in source.functions())),
        ("route handlers, lines", spread(handlers(product))),
    ]
    for crate in CRATES:
        code = sum(source.code_lines(False) for source in source_of[crate])
        tests = sum(source.code_lines(True) for source in source_of[crate] + outside[crate])
        rows.append((f"test : code, {crate}", ratio(tests, code)))
    code = sum(source.code_lines(False) for source in product)
    rows.append(("doc comments : code", ratio(sum(source.comment_lines(True) for source in product), code)))
    rows.append(("other comments : code", ratio(sum(source.comment_lines(False) for source in product), code)))
    for crate in CRATES:
        groups = import_cycles(folder / crate / "src", [source for source in source_of[crate] if not source.is_test])
        named = "; ".join(" ".join(sorted("/".join(name) or "lib" for name in group)) for group in sorted(groups, key=len))
        rows.append((f"files in import cycles, {crate}", f"{sum(map(len, groups))} in {len(groups)}" + (f": {named}" if named else "")))
    found = [tuples(source) for source in product]
    for kind in ("bindings", "parameters", "results"):
        rows.append((f"tuples as {kind}", str(sum(each[kind] for each in found))))
    for crate, count in sorted(test_programs(folder).items()):
        rows.append((f"test programs, {crate}", str(count)))
    target = Path(os.environ.get("CARGO_TARGET_DIR", folder / "target"))
    for name in ("auth-service", "resource-service"):
        binary = target / "release" / name
        size = f"{binary.stat().st_size / 1e6:.1f} MB" if binary.exists() else "not built"
        rows.append((f"release binary, {name}", size))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name.ljust(width)}  {value}")


main()
