#!/usr/bin/env python3
"""Writes a made-up community to import: always the same one for the same numbers.

    loadtests/community.py OUT_DIR [--topics 10000] [--posts 500000] [--users 5000] [--pages 5000]
    veritable import discourse OUT_DIR/topics.jsonl.gz --data-dir DATA_DIR --host made.example
    veritable import mediawiki OUT_DIR/wiki.xml.gz --data-dir DATA_DIR

Topics have a long tail of sizes; their posts are trees of up to 12 levels. Words follow Zipf's law over 20,000
different ones, as people's do: with fewer or evenly spread words a search index is not what it is in life.
"""

import argparse
import bisect
import datetime
import gzip
import itertools
import json
import pathlib
import random

DEPTH = 12
WORDS = 20_000
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
BEGIN = datetime.datetime(2016, 1, 1)


class Text:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.words = []
        for number in range(WORDS):
            word, rest = "", number + 30
            while rest:
                rest, syllable = divmod(rest, len(SYLLABLES))
                word += SYLLABLES[syllable]
            self.words.append(word)
        self.weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(WORDS)))

    def some(self, count):
        top = self.weights[-1]
        return [self.words[bisect.bisect(self.weights, self.random.random() * top)] for _ in range(count)]

    def sentences(self, count):
        words = self.some(count)
        parts = [" ".join(words[at:at + 12]).capitalize() + "." for at in range(0, count, 12)]
        return " ".join(parts)


def at(seconds):
    return (BEGIN + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def sizes(random_, topics, posts):
    """Sizes of topics: log-normal, at least one post each, as many together as asked."""
    raw = [random_.lognormvariate(3.3, 1.0) for _ in range(topics)]
    factor = (posts - topics) / sum(raw)
    sized = [1 + int(size * factor) for size in raw]
    for number in range(posts - sum(sized)):
        sized[number % topics] += 1
    return sized


def forum(path, text, topics, posts, users):
    random_ = text.random
    post_id, now = 0, 0
    with gzip.open(path, "wt", compresslevel=1) as out:
        for topic, size in enumerate(sizes(random_, topics, posts), 1):
            author = random_.randrange(users)
            depths, entries = [], []
            for number in range(1, size + 1):
                post_id += 1
                now += 600
                reply_to, depth = None, 1
                # Most people answer what was said last, some the topic itself.
                if number > 1 and random_.random() < 0.8:
                    reply_to = number - 1 - min(int(random_.expovariate(0.7)), number - 2)
                    depth = depths[reply_to - 1] + 1
                    if depth > DEPTH:
                        reply_to, depth = None, 1
                depths.append(depth)
                user = author if number == 1 else random_.randrange(users)
                cooked = "".join(f"<p>{text.sentences(random_.randrange(12, 60))}</p>" for _ in range(2))
                entries.append({
                    "id": post_id, "username": f"user{user}", "name": "", "user_id": user + 1,
                    "created_at": at(now), "cooked": cooked, "post_number": number,
                    "reply_to_post_number": reply_to,
                })
            out.write(json.dumps({
                "id": topic, "title": " ".join(text.some(6)).capitalize(), "created_at": entries[0]["created_at"],
                "views": size * 20, "category_id": topic % 20 + 1, "user_id": author + 1, "posts": entries,
            }) + "\n")


def wiki(path, text, pages):
    titles = [f"{' '.join(text.some(2)).capitalize()} {number}" for number in range(pages)]
    with gzip.open(path, "wt", compresslevel=1) as out:
        out.write('<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">\n'
                  "<siteinfo><sitename>Made</sitename><dbname>made</dbname><case>first-letter</case>"
                  '<namespaces><namespace key="0" case="first-letter" />'
                  '<namespace key="14" case="first-letter">Category</namespace></namespaces></siteinfo>\n')
        for number, title in enumerate(titles, 1):
            parts = [text.sentences(40)]
            for _ in range(4):
                parts.append(f"== {' '.join(text.some(3)).capitalize()} ==")
                linked = ", ".join(f"[[{text.random.choice(titles)}]]" for _ in range(3))
                parts.append(f"{text.sentences(60)} See {linked}.\n\n* {text.sentences(8)}\n* {text.sentences(8)}")
            parts.append(f"[[Category:Group {number % 50}]]")
            body = "\n\n".join(parts)
            out.write(f"<page><title>{title}</title><ns>0</ns><id>{number}</id><revision><id>{number}</id>"
                      f"<timestamp>{at(number * 60)[:19]}Z</timestamp><contributor><username>editor{number % 97}</username>"
                      f"<id>{number % 97 + 1}</id></contributor><model>wikitext</model><format>text/x-wiki</format>"
                      f'<text xml:space="preserve">{body}</text></revision></page>\n')
        out.write("</mediawiki>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", type=pathlib.Path)
    parser.add_argument("--topics", type=int, default=10_000)
    parser.add_argument("--posts", type=int, default=500_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--pages", type=int, default=5_000)
    asked = parser.parse_args()
    if asked.posts < asked.topics:
        parser.error("every topic has a post: --posts is at least --topics")
    asked.out_dir.mkdir(parents=True, exist_ok=True)
    forum(asked.out_dir / "topics.jsonl.gz", Text(1), asked.topics, asked.posts, asked.users)
    wiki(asked.out_dir / "wiki.xml.gz", Text(2), asked.pages)


if __name__ == "__main__":
    main()
