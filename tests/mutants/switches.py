"""Sources with all mutants in them, each behind a switch: they are built once, and a variable says which one is on.

cargo-mutants says what the mutants are: a place and the text to put there. Where it would change `a && b` into `a || b`,
the copy has `(if crate::mutant::on(7) { a || b } else { a && b })`. So an operator changes within its own expression;
cargo-mutants changes the text, where what stands beside it may bind otherwise then.
"""

import re
from collections import defaultdict

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
OF_OPERATOR = {"binary_expression", "compound_assignment_expr", "unary_expression"}


def switch(number):
    return f"crate::mutant::on({number})"


def instead(number, text):
    """What stands in place of something when a mutant is on. The mark says where a compiler's complaint belongs."""
    return f"if {switch(number)} {{ {text} /*end {number}*/ }} else "


class Switches:
    """One file. Its mutants are (number, mutant of cargo-mutants)."""

    def __init__(self, source, mutants):
        self.lines = source.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line.encode()) + 1)
        self.bytes = source.encode()
        self.tree = PARSER.parse(self.bytes)
        self.at = defaultdict(list)
        self.impossible = []
        for number, mutant in mutants:
            node = self.node_of(mutant)
            if node is None:
                self.impossible.append(number)
            else:
                self.at[node.id].append((number, mutant))

    def offset(self, place):
        """Bytes before a place; cargo-mutants counts lines and characters from 1."""
        before = self.lines[place["line"] - 1][: place["column"] - 1]
        return self.starts[place["line"] - 1] + len(before.encode())

    def node_of(self, mutant):
        """The piece of syntax that gets the switch."""
        start, end = self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])
        node = self.tree.root_node.descendant_for_byte_range(start, max(start, end - 1))
        wanted = {
            "FnValue": lambda it: it.type == "block" and it.parent.type == "function_item",
            "BinaryOperator": lambda it: it.type in OF_OPERATOR,
            "UnaryOperator": lambda it: it.type in OF_OPERATOR,
            "MatchArm": lambda it: it.type == "match_arm",
            "MatchArmGuard": lambda it: it.type == "match_arm",
            "StructField": lambda it: it.type == "struct_expression",
        }[mutant["genre"]]
        while node is not None and not wanted(node):
            # `a && let ..`: no other operator can stand there.
            node = None if node.type == "let_chain" else node.parent
        return node

    def text(self, node):
        return self.bytes[node.start_byte : node.end_byte].decode()

    def changed(self, node, mutant):
        """The text of the piece with the mutant in it."""
        start, end = self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])
        if mutant["genre"] == "StructField" and self.bytes[end : end + 1] == b",":
            end += 1
        before, after = self.bytes[node.start_byte : start], self.bytes[end : node.end_byte]
        return before.decode() + mutant["replacement"] + after.decode()

    def __str__(self):
        return self.written(self.tree.root_node)

    def inner(self, node):
        """The text of the piece with the switches of what is in it."""
        text, at = "", node.start_byte
        for child in node.children:
            text += self.bytes[at : child.start_byte].decode() + self.written(child)
            at = child.end_byte
        return text + self.bytes[at : node.end_byte].decode()

    def written(self, node):
        mutants = self.at.get(node.id, [])
        if not mutants:
            return self.inner(node)
        if node.type == "block":
            early = "".join(f"if {switch(number)} {{ return {it['replacement']} /*end {number}*/; }} " for number, it in mutants)
            return "{ " + early + self.inner(node)[1:]
        if node.type == "match_arm":
            return self.arm(node, mutants)
        others = "".join(instead(number, self.changed(node, mutant)) for number, mutant in mutants)
        return f"({others}{{ {self.inner(node)} }})"

    def arm(self, node, mutants):
        """An arm that is deleted is one whose guard says no."""
        pattern = next(child for child in node.children if child.type == "match_pattern")
        condition = pattern.child_by_field_name("condition")
        deleted = [f"!{switch(number)} /*end {number}*/" for number, it in mutants if it["genre"] == "MatchArm"]
        guards = [(number, it["replacement"]) for number, it in mutants if it["genre"] == "MatchArmGuard"]
        parts = deleted
        bare = self.text(pattern)
        if condition is not None:
            chosen = "".join(instead(number, text) for number, text in guards) + f"{{ {self.written(condition)} }}"
            parts = [*deleted, f"({chosen})"]
            bare = self.bytes[pattern.start_byte : condition.start_byte].decode().rstrip().removesuffix("if")
        text, at = "", node.start_byte
        for child in node.children:
            text += self.bytes[at : child.start_byte].decode()
            text += f"{bare} if {' && '.join(parts)}" if child == pattern else self.written(child)
            at = child.end_byte
        return text + self.bytes[at : node.end_byte].decode()


def mutant_at(text, start, end):
    """The mutant within whose change these bytes are, or None."""
    data = text.encode()
    for found in re.finditer(rb"/\*end (\d+)\*/", data):
        begin = data.rfind(switch(int(found[1])).encode(), 0, found.start())
        if begin <= start and end <= found.end():
            return int(found[1])
    return None


def last_deleted_arm(text, start, end):
    """The last arm of the match on these bytes that can be switched off: the others are complete with it."""
    data = text.encode()
    node = PARSER.parse(data).root_node.descendant_for_byte_range(start, end - 1)
    while node is not None and node.type != "match_expression":
        node = node.parent
    arms = node.child_by_field_name("body").children if node else []
    for arm in reversed(arms):
        pattern = arm.children[0].text.decode() if arm.type == "match_arm" else ""
        if found := re.search(r" if !crate::mutant::on\((\d+)\)", pattern):
            return int(found[1])
    return None
