"""The change network: trained, shipped with the package."""
