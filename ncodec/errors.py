"""Every exception that ncodec raises on purpose.

NcodecError
├── BitstreamError             the bytes handed to decode are not a file that can be decoded
│   ├── NotNcodecFileError         no magic number: some other kind of file
│   ├── UnsupportedVersionError    written by a newer major version of the format
│   ├── UnsupportedFeatureError    needs a flag, chunk or codec that this version lacks
│   ├── TruncatedError             the file ends early
│   ├── CorruptFileError           a checksum does not match, or a field makes no sense
│   ├── LimitExceededError         larger than the limits in force allow
│   └── EntropyDesyncError         intact bytes decode to other symbols than were encoded
├── ModelError                 the weights are the problem, not the file
│   ├── ModelNotFoundError         no weights for this codec or model id
│   ├── ModelMismatchError         the weights fail their self-test, or are not the file's
│   └── UnsafeWeightsError         a weights file that is not plain safetensors
├── InputError                 the picture or sound to encode can't be read or is not valid
├── OptionError                an option, target or region that can't be honoured
└── OutputError                the result can't be written

A message says what is wrong, where, and what to do next.
"""


class NcodecError(Exception):
    """Base of every error that ncodec raises on purpose."""


class BitstreamError(NcodecError):
    """The bytes are not a file that this version can decode."""


class NotNcodecFileError(BitstreamError):
    """The file does not start with the magic number."""


class UnsupportedVersionError(BitstreamError):
    """The file was written in a newer major version of the format."""


class UnsupportedFeatureError(BitstreamError):
    """The file needs a flag, chunk or codec that this version does not know."""


class TruncatedError(BitstreamError):
    """The file ends before the data that its header announces."""


class CorruptFileError(BitstreamError):
    """A checksum does not match, or a field holds an impossible value."""


class LimitExceededError(BitstreamError):
    """The file claims sizes above the limits in force."""


class EntropyDesyncError(BitstreamError):
    """Intact bytes decoded to other symbols than were encoded."""


class ModelError(NcodecError):
    """The weights are missing, damaged or not the ones asked for."""


class ModelNotFoundError(ModelError):
    """No weights for this codec or model id."""


class ModelMismatchError(ModelError):
    """The weights fail their self-test or are not the ones a file was made with."""


class UnsafeWeightsError(ModelError):
    """A weights file that is not plain safetensors with the expected tensors."""


class InputError(NcodecError, ValueError):
    """The picture or sound to encode cannot be read or is not valid."""


class OptionError(NcodecError, ValueError):
    """An option, target or region that cannot be honoured."""


class OutputError(NcodecError, OSError):
    """The result cannot be written."""


class NcodecWarning(UserWarning):
    """Something was done, but not quite as asked: a profile dropped, a target out of reach."""
