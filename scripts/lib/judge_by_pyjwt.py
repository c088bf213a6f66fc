"""Has PyJWT judge the tokens that shared-claims has judged: judge_by_pyjwt.py FILE LEAST

FILE has a line of JSON for each token, after a first one about the issuer. Whatever shared-claims accepts PyJWT must
accept as well, and read in the same way; and LEAST tokens must be accepted by both, or nothing was tried.
"""

import collections
import datetime
import json
import sys

import cryptography
import jwt

REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]
# RFC 9864 gave EdDSA on this curve a name of its own, which PyJWT does not know yet.
NAMES = {"EdDSA": ["EdDSA", "Ed25519"]}
jwt.register_algorithm("Ed25519", jwt.get_algorithm_by_name("EdDSA"))


class Clock(datetime.datetime):
    """PyJWT asks `datetime` for the time."""

    seconds = 0

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(cls.seconds, tz)


jwt.api_jwt.datetime = Clock


def main():
    with open(sys.argv[1], encoding="utf-8", newline="\n") as lines:
        judge = Judge(json.loads(next(lines)))
        judge.clock_is_ours()
        for number, line in enumerate(lines, start=2):
            judge.compare(json.loads(line) | {"number": number})
    return judge.report(least=int(sys.argv[2]))


class Judge:
    def __init__(self, about):
        self.about = about
        self.keys = {key["kid"]: (jwt.PyJWK(key).key, key["alg"]) for key in about["keys"]}
        self.tokens = collections.Counter()
        self.both = collections.Counter()
        self.ours_alone = []
        self.theirs_alone = collections.Counter()
        self.reasons = collections.Counter()
        self.read_otherwise = []
        self.crashes = collections.Counter()

    def claims(self, token, key, seconds):
        """What PyJWT reads in the token; raises when it refuses it."""
        kid = jwt.get_unverified_header(token)["kid"] if key == "its kid" else key
        key, algorithm = self.keys[kid]
        if (algorithm == "HS256") != (kid == "shared"):
            raise jwt.InvalidKeyError("a secret is in no key set")
        Clock.seconds = seconds
        return jwt.decode(
            token,
            key,
            algorithms=NAMES.get(algorithm, [algorithm]),
            issuer=self.about["issuer"],
            audience=self.about["audience"],
            leeway=self.about["leeway"],
            options={"require": REQUIRED},
        )

    def compare(self, line):
        kind, accepted = line["kind"], line["verdict"] == "accepted"
        self.tokens[kind] += 1
        try:
            theirs = self.claims(line["token"], line["key"], line["at"])
        except Exception as error:
            if not isinstance(error, (jwt.PyJWTError, KeyError)):
                self.crashes[repr(error)[:100]] += 1
            if accepted:
                self.ours_alone.append((f"PyJWT says {error!r}", line))
            return
        if not accepted:
            self.theirs_alone[line["verdict"]] += 1
            self.reasons[line["why"]] += 1
            return
        self.both[kind] += 1
        expected = {name: theirs[name] for name in line["claims"] if name in theirs}
        for date in ("exp", "iat", "nbf", "auth_time"):
            if date in expected:
                expected[date] = int(expected[date])
        if isinstance(expected["aud"], str):
            expected["aud"] = [expected["aud"]]
        ours = {"scope": "", "roles": []} | expected
        if "status" in ours:
            ours["status"] = {"status_list": {name: ours["status"]["status_list"][name] for name in ("idx", "uri")}}
        if ours != line["claims"]:
            self.read_otherwise.append((f"PyJWT reads {theirs}", line))

    def clock_is_ours(self):
        """Else every verdict about a date would be one about today."""
        payload = dict.fromkeys(REQUIRED, "x") | {"iss": self.about["issuer"], "aud": self.about["audience"]}
        secret, _ = self.keys["shared"]
        token = jwt.encode(payload | {"exp": 1000, "iat": 900}, secret, "HS256")
        self.claims(token, "shared", 999)
        for seconds in (100, 2000):
            try:
                self.claims(token, "shared", seconds)
            except jwt.InvalidTokenError:
                continue
            sys.exit("PyJWT has another clock than ours: this version takes the time from elsewhere")

    def report(self, least):
        both, alone = self.both.total(), self.theirs_alone.total()
        print(f"PyJWT {jwt.__version__} with cryptography {cryptography.__version__}, {self.tokens.total()} tokens:")
        print(f"{both:7} accepted by both:", say(self.both))
        print(f"{alone:7} refused by shared-claims alone:", say(self.theirs_alone))
        for reason, count in self.reasons.most_common():
            print(f"{count:15} {reason}")
        print(f"{len(self.ours_alone):7} accepted by shared-claims alone")
        print(f"{len(self.read_otherwise):7} read in two ways")
        if self.crashes:
            print(f"{self.crashes.total():7} on which PyJWT crashed:", say(self.crashes))
        for why, line in (self.ours_alone + self.read_otherwise)[:10]:
            print(f"\nline {line['number']}: {line['kind']}, {line['made']}, at {line['at']}")
            print(f"  shared-claims reads {line['claims']}\n  {why}")
        if self.ours_alone or self.read_otherwise:
            return "differential-test: shared-claims and PyJWT disagree"
        if both < least:
            return f"differential-test: {least} tokens must be accepted by both, or nothing was tried"
        return 0


def say(counter):
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())


if __name__ == "__main__":
    sys.exit(main())
