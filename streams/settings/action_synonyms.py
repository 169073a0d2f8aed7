"""Other words for the actions that have a rule, as shops, players and trackers write them.

Sources: the event names of Segment, Google Analytics 4, the Meta pixel, RetailRocket, Snowplow and Braze; the past
tense, which event names have; what undoes an action, by the patterns below. A word of several meanings (`open`,
`delete`, `star`) is not here: it has no rule, and the log and `interestflow audit` name it.
"""

from __future__ import annotations

import re

_WORDS: dict[str, str] = {
    "view": "viewed visit visited page_view pageview page_viewed pageviewed screen_view screen_viewed view_content "
    "viewcontent content_view detail_view product_detail_view view_detail browse browsed",
    "impression": "impressions shown view_item_list product_list_viewed exposure exposed",
    "click": "clicked tap tapped select_item select_content click_through",
    "play": "played playback listen listened watch watched stream streamed video_play play_video song_play",
    "search": "searched query queried view_search_results products_searched search_performed site_search",
    "follow": "followed subscribe subscribed subscription",
    "comment": "commented add_comment post_comment comment_added comment_posted",
    "review": "reviewed add_review write_review review_added review_posted review_submitted",
    "like": "liked favorite favorited favourite favourited heart hearted upvote upvoted thumbs_up thumb_up thumbsup "
    "favorites favourites add_to_favorites add_to_favourites added_to_favorites added_to_favourites",
    "share": "shared",
    "cart": "carted basket bag add_to_cart added_to_cart addtocart addedtocart cart_add add_cart cart_added "
    "add_to_basket added_to_basket addtobasket basket_add add_to_bag added_to_bag addtobag product_added item_added",
    "rate": "rated rating add_rating",
    "tag": "tagged",
    "purchase": "purchased buy bought order ordered order_completed order_placed placed_order completed_order "
    "complete_order place_order checkout_completed checkout_complete transaction sale sold",
    "return": "returned order_returned",
    "refund": "refunded order_refunded purchase_refunded payment_refunded",
    "cancel": "cancelled canceled cancellation order_cancellation",
    "save": "saved bookmark bookmarked wishlist wishlisted wish_list add_to_wishlist added_to_wishlist addtowishlist "
    "add_to_wish_list wishlist_add save_for_later saved_for_later watchlist add_to_watchlist added_to_watchlist",
    "dislike": "disliked downvote downvoted thumbs_down thumb_down thumbsdown",
    "hide": "hidden dismiss dismissed not_interested notinterested",
    "unlike": "unliked",
    "unfollow": "unfollowed",
    "uncart": "uncarted removefromcart removedfromcart removefrombasket removefrombag product_removed item_removed "
    "cart_remove",
    "unsave": "unsaved removefromwishlist",
    "unshare": "unshared",
    "untag": "untagged",
    "undislike": "undisliked",
    "unhide": "unhidden",
}
SYNONYMS: dict[str, str] = {synonym: word for word, given in _WORDS.items() for synonym in given.split()}

# Names of what an action is done to, before or behind it.
OBJECTS = frozenset(("item", "items", "product", "products", "event"))

# What undoes each action.
UNDONE: dict[str, str] = {
    "like": "unlike",
    "follow": "unfollow",
    "cart": "uncart",
    "save": "unsave",
    "share": "unshare",
    "tag": "untag",
    "comment": "uncomment",
    "review": "unreview",
    "purchase": "cancel",
    "dislike": "undislike",
    "hide": "unhide",
}
_VERBS = "remove|delete|undo|cancel|revoke|withdraw|retract|clear"
_PAST = "removed|deleted|undone|cancelled|canceled|revoked|withdrawn|retracted|cleared|removal"
UNDOING = (
    re.compile(r"un_?(.+)"),
    re.compile(rf"(?:{_VERBS}|{_PAST})_(?:from_)?(.+)"),
    re.compile(rf"(.+)_(?:{_VERBS}|{_PAST})"),
)
