"""
The agency-neutral shapes that callers and mappings speak. The list below is the whole of them; start with `citizen.py`.

Importing this needs pydantic and python-stdnum only, so that a caller's software can use the models without the hub.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel

from mappings.canonical.address import Address
from mappings.canonical.business import (
    Business,
    BusinessActivity,
    BusinessAddress,
    BusinessQuery,
    BusinessRepresentative,
    BusinessStatus,
)
from mappings.canonical.catalogues import (
    Catalogue,
    CatalogueEntry,
    CatalogueUser,
    ReceiptNumbers,
    UserCatalogue,
)
from mappings.canonical.citizen import Citizen, CitizenQuery, HouseholdHead, Relative, Verification
from mappings.canonical.complaints import Complaint, ForwardedFeedback, HandlingReport, Sender, ServiceRating
from mappings.canonical.document_store import (
    FetchedFile,
    StoredDocument,
    StoredDocumentQuery,
    StoredDocuments,
    StoredFile,
    StoredFileQuery,
    WantedDocument,
)
from mappings.canonical.dossier import Dossier, DossierQuery, ProcessingStep
from mappings.canonical.dossier_notices import (
    DossierProgress,
    DossierRemark,
    ReceivedDossier,
    ReturnedDossier,
    ReturnedResult,
    SupplementReceipt,
    SupplementRequest,
    WithdrawnDossier,
)
from mappings.canonical.dossier_parts import (
    Attachment,
    ConsultedDatabase,
    Contact,
    Document,
    Fee,
    Identity,
    Owner,
    ResultPaper,
    Supplement,
    SupplementPaper,
)
from mappings.canonical.land import LandMatter, LandPlot
from mappings.canonical.partial_date import PartialDate
from mappings.canonical.payment import (
    Beneficiary,
    Fine,
    Payer,
    PaymentItem,
    PaymentLink,
    PaymentOrder,
    PaymentQuery,
    PaymentReceipt,
    PaymentResult,
)
from mappings.canonical.post import CodedPostOrder, PostCancellation, PostOrder, PostParty, ShipmentStep
from mappings.canonical.procedure import (
    Components,
    LegalBasis,
    Procedure,
    ProcedureAgency,
    ProcedureField,
    ProcedureQuery,
    ProcedureResult,
    ProcedureStep,
    RequiredPaper,
    Sequence,
    Subject,
    Way,
    WayFee,
    WayTime,
)
from mappings.canonical.questions import CitizenQuestion, Feedback, QuestionAnswer
from mappings.canonical.shape import MASK, is_personal, mask, personal_paths
from mappings.canonical.tax import TaxItem, TaxNotice, TaxVoucher
from mappings.canonical.transfer import Acknowledgement, FiledSupplement, ResultConfirmation, ResultRefusal

CANONICAL: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "Citizen@1": Citizen,
        "CitizenQuery@1": CitizenQuery,
        "Verification@1": Verification,
        "Address@1": Address,
        "Dossier@1": Dossier,
        "DossierQuery@1": DossierQuery,
        "ProcessingStep@1": ProcessingStep,
        "Procedure@1": Procedure,
        "ProcedureQuery@1": ProcedureQuery,
        "PaymentOrder@1": PaymentOrder,
        "PaymentLink@1": PaymentLink,
        "PaymentQuery@1": PaymentQuery,
        "PaymentResult@1": PaymentResult,
        "PaymentReceipt@1": PaymentReceipt,
        "Business@1": Business,
        "BusinessQuery@1": BusinessQuery,
        # Dossiers that were moved to another agency.
        "FiledSupplement@1": FiledSupplement,
        "ResultConfirmation@1": ResultConfirmation,
        "ResultRefusal@1": ResultRefusal,
        "Acknowledgement@1": Acknowledgement,
        "DossierProgress@1": DossierProgress,
        "SupplementRequest@1": SupplementRequest,
        "SupplementReceipt@1": SupplementReceipt,
        "ReturnedResult@1": ReturnedResult,
        "ReturnedDossier@1": ReturnedDossier,
        "DossierRemark@1": DossierRemark,
        "ReceivedDossier@1": ReceivedDossier,
        "WithdrawnDossier@1": WithdrawnDossier,
        "TaxNotice@1": TaxNotice,
        "TaxVoucher@1": TaxVoucher,
        # Lists, questions and the national store of documents.
        "Catalogue@1": Catalogue,
        "UserCatalogue@1": UserCatalogue,
        "ReceiptNumbers@1": ReceiptNumbers,
        "CitizenQuestion@1": CitizenQuestion,
        "QuestionAnswer@1": QuestionAnswer,
        "Feedback@1": Feedback,
        "Complaint@1": Complaint,
        "ForwardedFeedback@1": ForwardedFeedback,
        "HandlingReport@1": HandlingReport,
        "ServiceRating@1": ServiceRating,
        "StoredDocumentQuery@1": StoredDocumentQuery,
        "StoredDocuments@1": StoredDocuments,
        "StoredFileQuery@1": StoredFileQuery,
        "FetchedFile@1": FetchedFile,
        # What the post carries.
        "PostOrder@1": PostOrder,
        "CodedPostOrder@1": CodedPostOrder,
        "PostCancellation@1": PostCancellation,
        "ShipmentStep@1": ShipmentStep,
        # Parts of the above, for the mappings that others name in `map`.
        "Relative@1": Relative,
        "HouseholdHead@1": HouseholdHead,
        "Owner@1": Owner,
        "Identity@1": Identity,
        "Contact@1": Contact,
        "Document@1": Document,
        "Fee@1": Fee,
        "Attachment@1": Attachment,
        "Supplement@1": Supplement,
        "SupplementPaper@1": SupplementPaper,
        "ResultPaper@1": ResultPaper,
        "ConsultedDatabase@1": ConsultedDatabase,
        "ProcedureField@1": ProcedureField,
        "Sequence@1": Sequence,
        "ProcedureStep@1": ProcedureStep,
        "Way@1": Way,
        "WayTime@1": WayTime,
        "WayFee@1": WayFee,
        "Components@1": Components,
        "RequiredPaper@1": RequiredPaper,
        "Subject@1": Subject,
        "ProcedureResult@1": ProcedureResult,
        "LegalBasis@1": LegalBasis,
        "ProcedureAgency@1": ProcedureAgency,
        "Beneficiary@1": Beneficiary,
        "Payer@1": Payer,
        "Fine@1": Fine,
        "PaymentItem@1": PaymentItem,
        "BusinessStatus@1": BusinessStatus,
        "BusinessRepresentative@1": BusinessRepresentative,
        "BusinessAddress@1": BusinessAddress,
        "BusinessActivity@1": BusinessActivity,
        "LandMatter@1": LandMatter,
        "LandPlot@1": LandPlot,
        "TaxItem@1": TaxItem,
        "CatalogueEntry@1": CatalogueEntry,
        "CatalogueUser@1": CatalogueUser,
        "WantedDocument@1": WantedDocument,
        "StoredDocument@1": StoredDocument,
        "StoredFile@1": StoredFile,
        "PostParty@1": PostParty,
        "Sender@1": Sender,
    }
)
"""Every canonical model by the versioned name that mappings use. A changed meaning is a new version beside the old."""

IDENTITY: Mapping[str, str] = MappingProxyType(
    {
        "Citizen@1": "citizen_id",
        "CitizenQuery@1": "citizen_id",
        "Dossier@1": "code",
        "DossierQuery@1": "code",
        "ProcessingStep@1": "dossier",
        "Procedure@1": "code",
        "ProcedureQuery@1": "code",
        "PaymentQuery@1": "reference",
        "PaymentResult@1": "reference",
        "Business@1": "code",
        "BusinessQuery@1": "code",
        "FiledSupplement@1": "dossier",
        "ResultConfirmation@1": "dossier",
        "ResultRefusal@1": "dossier",
        "QuestionAnswer@1": "question",
        "ForwardedFeedback@1": "id",
        "HandlingReport@1": "feedback",
        "ServiceRating@1": "dossier",
        "StoredDocumentQuery@1": "owner_number",
        "StoredFileQuery@1": "path",
        "PostOrder@1": "order_number",
        "CodedPostOrder@1": "order_number",
        "PostCancellation@1": "order_number",
    }
)
"""The field that says which one it is; a query and what it finds share its value. Models not listed have none."""


def canonical_name(model: type[BaseModel]) -> str:
    """
    Return the versioned name of *model*, e.g. `Citizen@1`.

    Raises:
        KeyError: It is no canonical model.
    """
    for name, known in CANONICAL.items():
        if known is model:
            return name
    raise KeyError(model.__name__)


__all__ = [
    "CANONICAL",
    "IDENTITY",
    "MASK",
    "Address",
    "Business",
    "BusinessQuery",
    "Citizen",
    "CitizenQuery",
    "CodedPostOrder",
    "Dossier",
    "DossierQuery",
    "PartialDate",
    "PaymentLink",
    "PaymentOrder",
    "PaymentQuery",
    "PaymentReceipt",
    "PaymentResult",
    "PostCancellation",
    "PostOrder",
    "Procedure",
    "ProcedureQuery",
    "ProcessingStep",
    "ShipmentStep",
    "Verification",
    "canonical_name",
    "is_personal",
    "mask",
    "personal_paths",
]
