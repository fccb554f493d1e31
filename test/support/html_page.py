"""A page as a test reads it: its words, its tags, whether every tag is closed."""

from html.parser import HTMLParser

VOID = {'meta', 'img', 'br'}


class Page(HTMLParser):
    """Text, attributes and balance of a page."""

    def __init__(self, html):
        super().__init__()
        self.words, self.tags, self.attributes, self.open = [], set(), [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return ' '.join(' '.join(self.words).split())
