"""Code: accounts at forges, what they can see, and what pushes come to."""

from bot.verbs.verb import Verb

CODE = (
    Verb(
        "account",
        "account bind|unbind|share|unshare FORGE|NAME",
        "bind an account at GitHub, GitLab, Gitee or DevCloud, alone with me; unbind it; let others use it",
        "account bind github",
        "act",
        1,
        300,
    ),
    Verb("accounts", "accounts", "the code accounts that you may use", "accounts"),
    Verb(
        "repositories",
        "repositories [ACCOUNT] [NAMESPACE] [PAGE]",
        "what a code account can see at its forge",
        "repositories github shop",
        most=3,
    ),
    Verb(
        "branches",
        "branches ACCOUNT REPOSITORY [PAGE]",
        "the branches of a repository",
        "branches github shop/api",
        least=2,
        most=3,
    ),
    Verb("tags", "tags ACCOUNT REPOSITORY [PAGE]", "the tags of a repository", "tags github shop/api", least=2, most=3),
    Verb(
        "webhook",
        "webhook PIPELINE [secret|rotate|retry]",
        "how pushes get here: whether it is attached, and its address and secret, once, alone with me",
        "webhook hello",
        "act",
        1,
        2,
    ),
    Verb(
        "pushes", "pushes PIPELINE", "the latest 20 deliveries, and what became of each", "pushes hello", "look", 1, 1
    ),
)
