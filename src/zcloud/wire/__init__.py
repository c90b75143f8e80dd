"""The API's shapes: requests are strict and bounded (pydantic), answers are plain frozen records. Sizes are bytes."""
