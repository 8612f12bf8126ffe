"""The figures of a soak, and what is asserted about them."""

import collections
import os
import pathlib
import re
import statistics
import time

from rig import FOLDER

# A slot's question, the first look at a card; then a turn behind another program, and one command (docs/robustness.md).
QUESTION, TURN, COMMAND = 5, 30, 30
# A loaded machine is late.
SLACK = 2.5
LIMITS = {"C_Finalize": 3, "C_Login": TURN + COMMAND, "C_Sign": TURN + COMMAND, "C_Logout": TURN + COMMAND,
          "C_CloseAllSessions": TURN + COMMAND, "C_GetAttributeValue": TURN + COMMAND, "C_FindObjectsInit": TURN + COMMAND}
GONE = {"CKR_DEVICE_ERROR", "CKR_DEVICE_REMOVED", "CKR_SESSION_HANDLE_INVALID"}
ABSENT = {"CKR_TOKEN_NOT_PRESENT", "CKR_DEVICE_ERROR", "CKR_DEVICE_REMOVED"}
# Beside CKR_OK.
CODES = {
    "C_GetTokenInfo": ABSENT, "C_OpenSession": ABSENT, "C_GetSessionInfo": GONE,
    "C_Logout": GONE | {"CKR_USER_NOT_LOGGED_IN"}, "C_WaitForSlotEvent": {"CKR_CRYPTOKI_NOT_INITIALIZED"},
    "C_FindObjectsInit": GONE, "C_FindObjects": GONE, "C_FindObjectsFinal": GONE, "C_GetAttributeValue": GONE,
    "C_Login": GONE | {"CKR_USER_ALREADY_LOGGED_IN", "CKR_USER_NOT_LOGGED_IN", "CKR_PIN_INCORRECT"},
    "C_SignInit": GONE | {"CKR_USER_NOT_LOGGED_IN", "CKR_KEY_HANDLE_INVALID"}, "C_Sign": GONE | {"CKR_USER_NOT_LOGGED_IN"},
    # The polling thread's last calls.
    "C_GetSlotList": {"CKR_CRYPTOKI_NOT_INITIALIZED"}, "C_GetSlotInfo": {"CKR_CRYPTOKI_NOT_INITIALIZED"},
}
# Growth between the days after the first tenth and the last ones, KiB: what malloc has given out, and private pages.
HEAP, DIRTY = 32, 512
# A failure of these is told in the log; and a step may have a line of its own.
TOLD = {"C_Login", "C_Sign", "C_FindObjectsInit", "C_GetAttributeValue"}
# Part of the wall's time, each program.
PROCESSOR = 0.1
COLUMNS = ["minute", "day", "process", "pid", "rss", "dirty", "heap", "fds", "threads", "locked", "processor", "calls",
           "signatures", "longest", "log_lines"]
TICKS = os.sysconf("SC_CLK_TCK")


def from_status(pid, word):
    found = re.search(rf"^{word}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def descriptors(pid):
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(entry.path))
        except OSError:
            pass
    return found


def verifies():
    """How many PINs were sent to the cards, and how many of them were refused: by us, by OpenSC. We name the PIN, OpenSC
    selects its file."""
    found = collections.Counter()
    with open(FOLDER / "apdu.log") as log:
        for line in log:
            if sent := re.search(r" VERIFY (auth PIN|sign password|of the current EF), \d+ bytes", line):
                by = "OpenSC" if "current" in sent[1] else "us"
                found[by] += 1
                found[f"refused to {by}"] += " -> 63" in line
    return found



class Verdict:
    def __init__(self, results, start):
        self.start, self.failures, self.rows = start, [], []
        self.steps, self.calls, self.longest = collections.Counter(), collections.Counter(), collections.Counter()
        self.signatures, self.neighbours, self.failed = collections.Counter(), collections.Counter(), collections.Counter()
        self.wrong_typed = self.killed = self.asked = self.missed = 0
        self.longest_back = 0.0
        self.results = results
        results.write_text("\t".join(COLUMNS) + "\n")

    # What is told while it runs

    def report(self, program, told):
        self.calls.update(told["calls"])
        for function, seconds in without_stops(program, told).items():
            self.longest[function] = max(self.longest[function], seconds)
        self.asked += sum(number for key, number in told["calls"].items() if key.split()[0] in program.sends
                          and not key.endswith("CKR_USER_NOT_LOGGED_IN"))
        self.signatures.update(good=told["good"], bad=told["bad"])
        self.failed[program.name] += sum(number for key, number in told["calls"].items()
                                         if key.split()[0] in TOLD and not key.endswith("CKR_OK"))
        return told

    def sample(self, day, name, pid, told):
        told = told or {"heap": 0, "calls": {}, "good": 0, "longest": {}}
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        log = FOLDER / f"{name}.log"
        # The first pcscd has what it inherited, too.
        files = [path for path in descriptors(pid) if name != "pcscd" or path.startswith("socket:")]
        row = [round((time.monotonic() - self.start) / 60, 1), day, name, pid, from_status(pid, "VmRSS"),
               int(re.search(r"Private_Dirty:\s+(\d+)", rollup)[1]), told["heap"] // 1024, len(files),
               from_status(pid, "Threads"), from_status(pid, "VmLck"), (int(stat[11]) + int(stat[12])) / TICKS,
               sum(told["calls"].values()), told["good"], round(max(told["longest"].values(), default=0), 2),
               log.read_text().count("\n") if log.exists() else 0]
        with self.results.open("a") as table:
            print(*row, sep="\t", file=table)
        self.rows.append(dict(zip(COLUMNS, row)))

    @staticmethod
    def left(pid):
        """What a program still has of the module after C_Finalize."""
        if (threads := from_status(pid, "Threads")) != 1:
            yield f"{threads} threads"
        if locked := from_status(pid, "VmLck"):
            yield f"{locked} KiB of locked memory"
        if sockets := [path for path in descriptors(pid) if path.startswith("socket:")]:
            yield f"{len(sockets)} sockets"
        if children := pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield f"children {children}"

    # At the end

    def expect(self, good, text):
        if not good:
            self.failures.append(text)

    def growth(self, rows, column):
        part = max(1, len(rows) // 3)
        return statistics.median(row[column] for row in rows[-part:]) - statistics.median(row[column] for row in rows[:part])

    def judge_process(self, name):
        rows = [row for row in self.rows if row["process"] == name]
        rows = rows[-(-len(rows) // 10):]
        self.expect(len(rows) >= 2, f"{name}: only {len(rows)} evenings after the warm-up")
        if len(rows) < 2:
            return
        first, last = rows[0], rows[-1]
        grown = {column: self.growth(rows, column) for column in ("heap", "dirty")}
        print(f"| {name} | {first['rss']} -> {last['rss']} | {first['dirty']} -> {last['dirty']} | "
              f"{first['heap']} -> {last['heap']} | {grown['heap']:+.0f} | {range_of(rows, 'fds')} | {range_of(rows, 'threads')} | "
              f"{range_of(rows, 'locked')} | {last['processor']:.0f} s | {last['log_lines']} |")
        for column in ("fds", "threads", "locked"):
            self.expect(len({row[column] for row in rows}) == 1, f"{name}: {column} {range_of(rows, column)} in the evenings")
        if name == "pcscd":
            return  # Its memory is its own affair.
        for column, bound in (("heap", HEAP), ("dirty", DIRTY)):
            self.expect(grown[column] <= bound, f"{name}: {column} has grown by {grown[column]:.0f} KiB, more than {bound}")
        share = (last["processor"] - first["processor"]) / max(1, 60 * (last["minute"] - first["minute"]))
        self.expect(share < PROCESSOR, f"{name}: {100 * share:.0f} % of a processor")
        lines, bound = last["log_lines"], 20 + sum(self.steps.values()) + self.failed[name]
        self.expect(lines <= bound, f"{name}: {lines} lines in its log, more than {bound}")

    def judge_calls(self):
        print("\n| function | calls | longest, s | limit, s | codes |\n|---|--:|--:|--:|---|")
        functions = sorted({key.split()[0] for key in self.calls})
        for function in functions:
            codes = {key.split()[1]: number for key, number in sorted(self.calls.items()) if key.split()[0] == function}
            limit, took = LIMITS.get(function, QUESTION), self.longest[function]
            told = ", ".join(f"{code.removeprefix('CKR_')} {number}" for code, number in codes.items())
            print(f"| {function} | {sum(codes.values())} | {took:.1f} | {limit} | {told} |")
            self.expect(took <= limit + SLACK, f"{function} took {took:.1f} s, more than {limit}")
            for code in codes.keys() - CODES.get(function, set()) - {"CKR_OK"}:
                self.failures.append(f"{function}: {code}, {codes[code]} times")

    def judge_cards(self):
        found = verifies()
        # A program that is killed has made two logins and a signature at the most.
        most = self.asked + 3 * self.killed
        runs = sum(self.neighbours.values())
        print(f"\nPINs sent to the cards: {found['us']}, {most} logins and signatures account for them; refused: "
              f"{found['refused to us']}, wrong ones typed: {self.wrong_typed}.\nSignatures verified: {self.signatures['good']}, "
              f"wrong: {self.signatures['bad']}. OpenSC's: {self.neighbours[True]} of {runs}, with {found['OpenSC']} PINs. "
              f"Programs killed: {self.killed}. Cards that pcscd missed: {self.missed}. Longest wait for the cards after a disturbance: {self.longest_back:.1f} s.")
        self.expect(found["refused to us"] == self.wrong_typed,
                    f"{found['refused to us']} PINs were refused, {self.wrong_typed} wrong ones typed")
        self.expect(found["refused to OpenSC"] == 0, f"OpenSC sent {found['refused to OpenSC']} wrong PINs")
        refused = self.calls["C_Login CKR_PIN_INCORRECT"]
        self.expect(refused == self.wrong_typed, f"C_Login refused {refused} PINs, {self.wrong_typed} were wrong")
        self.expect(found["us"] <= most, f"{found['us']} PINs were sent, at the most {most} were asked for")
        self.expect(self.signatures["bad"] == 0, f"{self.signatures['bad']} wrong signatures")
        self.expect(self.signatures["good"] > 10, "hardly a signature was made")
        self.expect(runs == 0 or self.neighbours[True] > 0, "OpenSC has signed nothing beside us")

    def pronounce(self, programs):
        """Prints the tables. True if all is well."""
        print(f"\nSteps: {', '.join(f'{name} {number}' for name, number in sorted(self.steps.items()))}\n")
        print("| process | RSS, KiB | private dirty, KiB | heap, KiB | growth of it | descriptors | threads | locked, KiB | "
              "processor | log lines |\n|---|---|---|---|---|---|---|---|---|---|")
        for name in [program.name for program in programs] + ["pcscd"]:
            self.judge_process(name)
        self.judge_calls()
        self.judge_cards()
        for path in FOLDER.glob("*.stderr"):
            said = path.read_text()
            self.expect(not said, f"{path.stem} said: {said[-400:]}")
            log = path.with_suffix(".log")
            self.expect(not log.exists() or "panic" not in log.read_text(), f"{path.stem}: a panic, see its log")
        print()
        for failure in self.failures:
            print(f"soak: FAILED {failure}")
        print(f"soak: {'good' if not self.failures else 'bad'}, {sum(self.steps.values())} steps, "
              f"{self.signatures['good']} signatures, {sum(self.calls.values())} calls")
        return not self.failures


def range_of(rows, column):
    values = sorted({row[column] for row in rows})
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def without_stops(program, told):
    """The longest call of each function, without the time that the program itself was stopped."""
    longest = {function: seconds for function, seconds in told["longest"].items() if seconds <= 1}
    for function, start, end in told["slow"]:
        stopped = sum(max(0, min(end, until) - max(start, since)) for since, until in program.stops)
        longest[function] = max(longest.get(function, 0), end - start - stopped)
    return longest
