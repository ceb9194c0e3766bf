r"""Sharing of models as folders, with the names of methods that the Hugging Face Hub established.

Folders on this machine need no network and no other package. Repositories of the Hub need
huggingface_hub, the extra `hub`.

References:
    huggingface_hub, `ModelHubMixin`,
    https://huggingface.co/docs/huggingface_hub/package_reference/mixins
"""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

Model = TypeVar("Model", bound="PretrainedMixin")

_DEFAULT_MESSAGE = "Push model using huggingface_hub."


class PretrainedMixin:
    r"""Gives a :class:`GenerativeModule` the methods of huggingface_hub's `ModelHubMixin`."""

    def save_pretrained(
        self,
        save_directory: str | os.PathLike,
        *,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        r"""Writes the model as a folder, which replaces an earlier one: `energy-gans export`.

        Arguments:
            save_directory: The folder.
            repo_id: The repository that the folder is uploaded to; named like the folder if
                `None`.
            push_to_hub: Whether the folder is uploaded.
            push_to_hub_kwargs: The other arguments of :meth:`push_to_hub`.

        Returns:
            The address of the commit if the folder is uploaded, else `None`.

        Raises:
            FileExistsError: If the folder holds anything but an exported model.
        """
        _package().export(self, str(save_directory), overwrite=True)
        if not push_to_hub:
            return None
        return self.push_to_hub(repo_id or Path(save_directory).name, **push_to_hub_kwargs)

    @classmethod
    def from_pretrained(
        cls: type[Model],
        pretrained_model_name_or_path: str | os.PathLike,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **model_kwargs: Any,
    ) -> Model:
        r"""Returns the model of a folder, of the zoo or of a repository, in evaluation mode.

        Arguments:
            pretrained_model_name_or_path: The path of a folder, the name of a model of the zoo, or
                the name of a repository on the Hugging Face Hub, `owner/name`.
            force_download: Whether files of a repository are downloaded again.
            token: The token for the Hub.
            cache_dir: The folder to which files of a repository are downloaded.
            local_files_only: Whether only files that were downloaded before are used.
            revision: The branch, the tag or the commit of a repository.
            model_kwargs: The other arguments of :func:`energy_gans.load`, such as `trust`.

        Raises:
            FileNotFoundError: If there is neither such a folder nor a repository of that name.
            ModuleNotFoundError: If a repository is named and huggingface_hub is not installed.
            ValueError: If the model can not be rebuilt, or is of another class.
        """
        path = os.fspath(pretrained_model_name_or_path)
        if _zoo().is_repository(path):
            path = _zoo().download(
                path,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                token=token,
                local_files_only=local_files_only,
            )
        model = _package().load(path, **model_kwargs)
        if not isinstance(model, cls):
            raise ValueError(
                f"{str(pretrained_model_name_or_path)!r} holds a {type(model).__name__}, and no "
                f"{cls.__name__}: load it with {type(model).__name__}.from_pretrained, or with "
                "GenerativeModule.from_pretrained."
            )
        return model

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = _DEFAULT_MESSAGE,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        allow_patterns: list[str] | str | None = None,
        ignore_patterns: list[str] | str | None = None,
        delete_patterns: list[str] | str | None = None,
    ) -> str:
        r"""Uploads the files of :meth:`save_pretrained` to the Hugging Face Hub in one commit.

        Arguments:
            repo_id: The repository, `owner/name`, which is created if there is none.
            commit_message: The message of the commit.
            private: Whether a new repository is private.
            token: The token for the Hub.
            branch: The branch.
            create_pr: Whether a pull request is made.
            allow_patterns: The names of files to upload; all if `None`.
            ignore_patterns: The names of files that are not uploaded.
            delete_patterns: The names of files in the repository to delete.

        Returns:
            The address of the commit.

        Raises:
            ModuleNotFoundError: If huggingface_hub is not installed.
        """
        api = _zoo().hub().HfApi(token=token)
        with tempfile.TemporaryDirectory() as scratch:
            # The card names the folder.
            folder = Path(scratch) / repo_id
            self.save_pretrained(folder)
            repo_id = api.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
            return api.upload_folder(
                repo_id=repo_id,
                repo_type="model",
                folder_path=folder,
                commit_message=commit_message,
                revision=branch,
                create_pr=create_pr,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                delete_patterns=delete_patterns,
            )


def _package() -> ModuleType:
    r"""Returns the package, whose functions are imported when they are used."""
    return importlib.import_module("energy_gans")


def _zoo() -> ModuleType:
    r"""Returns the module that finds models by name, which methods do not import."""
    return importlib.import_module("energy_gans.storage.zoo")
