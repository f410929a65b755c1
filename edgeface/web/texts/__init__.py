"""All texts of the pages, in English; edgeface/web/languages has the other languages."""
