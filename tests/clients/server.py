"""Where the server under test is, for each client's run."""

import os

#: where its OpenAI paths begin
BASE_URL = os.environ["SELKIE_TEST_SERVER"]
MODEL = "tiny"
#: an adapter that the server has loaded; its name has a slash, as that of a released policy
ADAPTER = "demo/policy"
